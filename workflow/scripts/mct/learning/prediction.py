"""What a trained model says of the pictures of a set."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mct.base.errors import UserError
from mct.data.imagesets import ImageSet
from mct.data.loading import read_for_evaluation
from mct.data.settings import ImageSettings
from mct.learning.classifier import classifier_layer
from mct.learning.models import load_model
from mct.learning.settings import EvaluationSettings
from mct.stage.compute import Compute
from mct.stage.settings import ExecutionSettings

BATCH_SIZE = 256
"""Pictures that are predicted at a time."""


class Predictor:
    """A trained model and the form in which it sees pictures.

    What it says is refused, by a UserError, where it is not finite: the model diverged.
    """

    def __init__(
        self,
        weights: Path,
        settings: EvaluationSettings,
        classes: int,
        compute: Compute,
        execution: ExecutionSettings,
    ) -> None:
        self._weights = weights
        model = load_model(settings.model, classes, settings.images.size, weights)
        self._model, self._compute, self._images = compute.place(model), compute, settings.images
        self._classes, self._execution = classes, execution

    def predict(self, image_set: ImageSet) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return logits (n, K) and labels (n,) of a whole set, in its order; it may be empty."""
        if not len(image_set):
            return np.empty((0, self._classes), np.float32), np.empty(0, np.int64)
        return self.predict_batches(self._read(image_set))

    def _read(self, image_set: ImageSet) -> Iterator[tuple[Tensor, Tensor]]:
        return read_for_evaluation(
            image_set,
            self._images,
            BATCH_SIZE,
            threads=self._execution.decoding_threads,
            prefetch=self._execution.prefetch_batches,
        )

    def predict_batches(
        self, batches: Iterable[tuple[Tensor, Tensor]]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return logits (n, K) and labels (n,) of batches of pictures, uint8 (b, 3, size, size)."""
        logits, labels = predict(self._model, batches, self._compute, self._images)
        if not np.isfinite(logits).all():
            raise UserError(
                f"{self._weights}: expected finite predictions, got NaN or infinity: the training "
                "diverged; lower its learning rate and train again"
            )
        return logits, labels

    def features(self, image_set: ImageSet) -> NDArray[np.float32]:
        """Return the inputs of the model's classifier for a whole set, shape (n, d).

        Of a classifier that is a convolution, their means over a picture. They are in memory once,
        beside those of a batch.
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
    said = [torch.softmax(torch.from_numpy(one).double(), dim=1) for one in logits]
    return torch.stack(said).mean(dim=0).numpy()


@torch.inference_mode()
def predict(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    compute: Compute,
    settings: ImageSettings,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return logits (n, K) and labels (n,) of a set, in evaluation mode."""
    model.eval()
    logits, labels = [], []
    for images, batch_labels in batches:
        with compute.autocast():
            output = model(compute.normalise(images, settings.mean, settings.std))
        logits.append(output.float().cpu().numpy())
        labels.append(batch_labels.numpy())
    return np.concatenate(logits), np.concatenate(labels)
