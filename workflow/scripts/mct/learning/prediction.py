"""Predictions of a trained model for the pictures of a set."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mct.base.errors import UserError
from mct.data.imagesets import ImageSet
from mct.data.loading import read_for_evaluation
from mct.learning.classifier import classifier_layer
from mct.learning.models import load_model
from mct.learning.settings import EvaluationSettings
from mct.learning.trunk import Net, divide
from mct.stage.compute import Compute, choose_compute
from mct.stage.settings import ExecutionSettings

BATCH_SIZE = 256
"""Pictures that are read at a time."""
PREDICTED_AT_A_TIME = 64
"""Those of them whose activations are in memory together."""


class Predictor:
    """A trained model and how it sees pictures; UserError for predictions that are not finite."""

    def __init__(
        self,
        weights: Path,
        settings: EvaluationSettings,
        classes: int,
        execution: ExecutionSettings,
        compute: Compute | None = None,
    ) -> None:
        """Without `compute` it chooses where this process alone computes."""
        self.compute = compute or choose_compute(settings.model.precision, execution)
        model = load_model(settings.model, classes, settings.images.size, weights)
        self._weights, self._model = weights, self.compute.place(model).eval()
        self._classes, self._images, self._execution = classes, settings.images, execution
        self._name = settings.model.name

    def predict(self, image_set: ImageSet) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return logits (n, K) and labels (n,) of a whole set, in its order; it may be empty."""
        nothing = np.empty((0, self._classes), np.float32)
        return np.concatenate([nothing, *self.logits(image_set)]), image_set.label

    def logits(self, image_set: ImageSet) -> Iterator[NDArray[np.float32]]:
        """Yield logits (b, K) of a set, in its order, BATCH_SIZE pictures at a time."""
        return map(self.predict_pictures, self._read(image_set))

    def _read(self, image_set: ImageSet) -> Iterator[Tensor]:
        threads, prefetch = self._execution.decoding_threads, self._execution.prefetch_batches
        batches = read_for_evaluation(
            image_set, self._images, BATCH_SIZE, threads=threads, prefetch=prefetch
        )
        return (images for images, _ in batches)

    @torch.inference_mode()
    def predict_pictures(self, images: Tensor) -> NDArray[np.float32]:
        """Return logits (b, K) of pictures, uint8 (b, 3, size, size), or of stored features, (b, d)."""
        outputs = [self._pass(part).float().cpu() for part in images.split(PREDICTED_AT_A_TIME)]
        logits = torch.cat(outputs).numpy()
        if not np.isfinite(logits).all():
            raise UserError(
                f"{self._weights}: expected finite predictions, got NaN or infinity: the training "
                "diverged; lower its learning rate and train again"
            )
        return logits

    def _pass(self, images: Tensor) -> Tensor:
        with self.compute.autocast():
            if images.is_floating_point():
                return self._divided.logits((self.compute.receive(images),))
            return self._model(self.compute.normalise(images, self._images.mean, self._images.std))

    @cached_property
    def _divided(self) -> Net:
        """The net in evaluation, divided where features are handed on."""
        return divide(self._model, self._name)[1]

    @property
    def feature_width(self) -> int:
        """The number of inputs of the classifier."""
        return classifier_layer(self._model).weight.shape[1]

    def features(self, image_set: ImageSet) -> Iterator[NDArray[np.float32]]:
        """Yield the inputs of the classifier, (b, d), as `logits` does.

        Those of a convolution are means over a picture.
        """
        classifier = classifier_layer(self._model)
        kept: list[Tensor] = []
        hook = classifier.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
        try:
            for images in self._read(image_set):
                self.predict_pictures(images)
                yield flat(torch.cat(kept)).float().cpu().numpy()
                kept.clear()
        finally:
            hook.remove()


def flat(features: Tensor) -> Tensor:
    """Return features (n, d) as they are, and the means over pictures of those (n, d, h, w)."""
    return features.mean(dim=(2, 3)) if features.dim() == 4 else features


def mean_probabilities(logits: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
    """Return the mean of several models' probabilities, (n, K), from their logits, (n, K) each."""
    found = [torch.softmax(torch.from_numpy(one).double(), dim=1) for one in logits]
    return torch.stack(found).mean(dim=0).numpy()
