"""Predictions of a trained model for the pictures of a set."""

from collections.abc import Iterable, Iterator, Sequence
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
from mct.stage.compute import choose_compute
from mct.stage.settings import ExecutionSettings

BATCH_SIZE = 256
"""Pictures that are predicted at a time."""


class Predictor:
    """A trained model and how it sees pictures; UserError for predictions that are not finite."""

    def __init__(
        self,
        weights: Path,
        settings: EvaluationSettings,
        classes: int,
        execution: ExecutionSettings,
    ) -> None:
        self.compute = choose_compute(settings.model.precision, execution)
        model = load_model(settings.model, classes, settings.images.size, weights)
        self._weights, self._model = weights, self.compute.place(model).eval()
        self._classes, self._images, self._execution = classes, settings.images, execution

    def predict(self, image_set: ImageSet) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return logits (n, K) and labels (n,) of a whole set, in its order; it may be empty."""
        if not len(image_set):
            return np.empty((0, self._classes), np.float32), np.empty(0, np.int64)
        return self.predict_batches(self._read(image_set))

    def _read(self, image_set: ImageSet) -> Iterator[tuple[Tensor, Tensor]]:
        threads, prefetch = self._execution.decoding_threads, self._execution.prefetch_batches
        return read_for_evaluation(
            image_set, self._images, BATCH_SIZE, threads=threads, prefetch=prefetch
        )

    @torch.inference_mode()
    def predict_batches(
        self, batches: Iterable[tuple[Tensor, Tensor]]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return logits (n, K) and labels (n,) of batches of pictures, uint8 (b, 3, size, size)."""
        logits, labels = [], []
        for images, batch_labels in batches:
            with self.compute.autocast():
                output = self._model(
                    self.compute.normalise(images, self._images.mean, self._images.std)
                )
            logits.append(output.float().cpu().numpy())
            labels.append(batch_labels.numpy())
        found = np.concatenate(logits)
        if not np.isfinite(found).all():
            raise UserError(
                f"{self._weights}: expected finite predictions, got NaN or infinity: the training "
                "diverged; lower its learning rate and train again"
            )
        return found, np.concatenate(labels)

    def features(self, image_set: ImageSet) -> NDArray[np.float32]:
        """Return the inputs of the classifier for a whole set, shape (n, d), held in memory once.

        Of a classifier that is a convolution they are means over a picture.
        """
        classifier = classifier_layer(self._model)
        features = np.empty((len(image_set), classifier.weight.shape[1]), np.float32)
        kept: list[Tensor] = []
        hook = classifier.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
        stop = 0
        try:
            for batch in self._read(image_set):
                self.predict_batches([batch])
                start, stop = stop, stop + len(batch[1])
                features[start:stop] = flat(kept.pop()).float().cpu().numpy()
        finally:
            hook.remove()
        return features


def flat(features: Tensor) -> Tensor:
    """Return features (n, d) as they are, and the means over pictures of those (n, d, h, w)."""
    return features.mean(dim=(2, 3)) if features.dim() == 4 else features


def mean_probabilities(logits: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
    """Return the mean of several models' probabilities, (n, K), from their logits, (n, K) each."""
    found = [torch.softmax(torch.from_numpy(one).double(), dim=1) for one in logits]
    return torch.stack(found).mean(dim=0).numpy()
