"""Features: what the frozen part of a net hands on to what learns, for several views of each picture.

They are computed once, a shard at a time; see `mct.data.shards` for their files. The first view is
that of an evaluation. The random numbers of the others depend on the picture's key and the number of
the view alone, so that a change of labels changes no feature.
"""

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mct.base.errors import UserError
from mct.data.augmentation import DRAWS, Viewer
from mct.data.imagesets import ImageSet
from mct.data.loading import OwnBuffers, PictureReader, Prefetcher, to_tensor
from mct.data.order import AUGMENTATION_STREAM, draw_numbers, keys_of
from mct.data.shards import Shard
from mct.learning.models import build_model
from mct.learning.prediction import BATCH_SIZE, PREDICTED_AT_A_TIME
from mct.learning.settings import EvaluationSettings
from mct.learning.trunk import divide
from mct.stage.compute import Compute
from mct.stage.settings import ExecutionSettings

VIEW_SEED = 0
"""Of the random numbers of augmented views, which all seeds of an experiment share."""


def set_of_shard(shard: Shard) -> ImageSet:
    """Return all pictures of a shard in its order, without labels; keys stand for numbers of samples."""
    keys = shard.fields["key"]
    nothing = np.zeros(len(keys), np.int64)
    return ImageSet(
        shards=[shard], shard=nothing, index=np.arange(len(keys)),
        sample=np.array([zlib.crc32(key) for key in keys.tolist()], np.int64),
        label=nothing, observed=nothing, true=nothing, in_clean=nothing.astype(bool), classes=1,
    )  # fmt: skip


class FeatureExtractor:
    """A frozen net at its start, and the views of pictures that it sees."""

    def __init__(
        self,
        settings: EvaluationSettings,
        classes: int,
        initial: Sequence[Path],
        execution: ExecutionSettings,
        compute: Compute,
    ) -> None:
        """Raises UserError for weights that do not fit, or a net that cannot be divided."""
        size = settings.images.size
        model = build_model(settings.model, classes, size, 0, initial)
        self._net, _ = divide(compute.place(model), settings.model.name)
        self._images, self._views = settings.images, settings.images.feature_views
        self._compute, self._execution = compute, execution
        self.shape = self._pass(torch.zeros(2, 3, size, size, dtype=torch.uint8)).shape[1:]

    def features(self, image_set: ImageSet) -> Iterator[NDArray[np.float32]]:
        """Yield features, (b, views, d), of a set in its order, BATCH_SIZE pictures at a time."""
        for number, pictures in enumerate(self._read(image_set)):
            view = number % self._views
            if not view:
                found = np.empty((len(pictures), self._views, *self.shape), np.float32)
            found[:, view] = self._pass(pictures)
            if view == self._views - 1:
                yield found

    def _read(self, image_set: ImageSet) -> Iterator[Tensor]:
        """Yield pictures of a set BATCH_SIZE at a time, of each batch one view after the other."""
        threads, buffers, size = self._execution.decoding_threads, OwnBuffers(), self._images.size
        readers = [
            PictureReader(image_set, Viewer.of(self._images, kind), threads)
            for kind in ["none", *[""] * (self._views - 1)]
        ]

        def read(batch: tuple[int, int]) -> Tensor:
            start, view = batch
            positions = np.arange(start, min(start + BATCH_SIZE, len(image_set)))
            key = keys_of(VIEW_SEED, view, AUGMENTATION_STREAM, 1)[0]
            pictures = buffers.take(len(positions), size)
            readers[view].fill(
                positions, draw_numbers(key, image_set.sample[positions], DRAWS), pictures
            )
            return to_tensor(pictures)

        starts = range(0, len(image_set), BATCH_SIZE)
        batches = [(start, view) for start in starts for view in range(self._views)]
        return Prefetcher(self._execution.prefetch_batches).map(read, batches)

    @torch.inference_mode()
    def _pass(self, pictures: Tensor) -> NDArray[np.float32]:
        """Return what the frozen net makes of pictures, uint8 (b, 3, size, size)."""
        outputs = []
        for part in pictures.split(PREDICTED_AT_A_TIME):
            normalised = self._compute.normalise(part, self._images.mean, self._images.std)
            with self._compute.autocast():
                seen = self._net.features(normalised)
            outputs.append(seen[0].float().cpu())
        if len(seen) > 1 or len(outputs[0]) != min(len(pictures), PREDICTED_AT_A_TIME):
            raise UserError(
                "images.feature_views: the net hands more to its classifier than one row for each "
                "picture; set it to 0, or take another net"
            )
        return torch.cat(outputs).numpy()
