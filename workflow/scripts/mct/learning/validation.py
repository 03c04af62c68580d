"""Accuracy on validation pictures while a training runs: a curve for people, which decides nothing."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mct.base.partition import Share
from mct.data.imagesets import ImageSet, open_set
from mct.data.loading import read_for_evaluation
from mct.data.settings import ImageSettings
from mct.learning.learner import Learner
from mct.learning.plan import Plan
from mct.learning.prediction import BATCH_SIZE, PREDICTED_AT_A_TIME
from mct.stage.settings import ExecutionSettings

FEWEST, MOST = 500, 2000
"""Pictures that are predicted, where there are as many."""
SHARE = 0.03
"""Of the work of a training, at most, unless the curve would have fewer than `POINTS` points."""
PASS = 0.5
"""What a prediction costs, in samples of training: a forward pass of three, and reading."""
POINTS = 5


def choose_pictures(available: int, set_size: int) -> NDArray[np.int64]:
    """Return positions in the validation set, spread evenly, for trainings on sets of that size."""
    wanted = min(max(round(SHARE * set_size / PASS), FEWEST), MOST)
    count = min(wanted, available)
    return np.arange(count) * available // max(count, 1)


def choose_interval(pictures: int, plan: Plan) -> int:
    """Return after how many epochs each the pictures are predicted."""
    epochs = math.ceil(plan.samples / plan.set_size)
    affordable = math.ceil(PASS * pictures / (SHARE * plan.set_size))
    return max(1, min(affordable, math.ceil(epochs / POINTS)))


class Validation:
    """Validation pictures that each rank of a model predicts its share of."""

    def __init__(
        self, image_set: ImageSet, images: ImageSettings, execution: ExecutionSettings, plan: Plan
    ) -> None:
        self._set = image_set.take(choose_pictures(len(image_set), plan.set_size))
        self._images, self._execution, self._plan = images, execution, plan
        self._interval = choose_interval(len(self._set), plan)

    @classmethod
    def open(
        cls, labels: Path, images: ImageSettings, execution: ExecutionSettings, plan: Plan
    ) -> "Validation":
        """Open the validation set of a table of labels."""
        return cls(
            open_set("validation", labels, features=images.stores_features), images, execution, plan
        )

    @property
    def pictures(self) -> int:
        """The number of pictures, all ranks of a model together."""
        return len(self._set)

    def is_due(self, epoch: int) -> bool:
        """Return whether the pictures are predicted after an epoch, counted from 0; always after the last."""
        is_last = (epoch + 1) * self._plan.set_size >= self._plan.samples
        return self.pictures > 0 and (is_last or (epoch + 1) % self._interval == 0)

    def count_correct(self, learner: Learner) -> int:
        """Return how many of this rank's share the model is right on; norms use its running statistics.

        Changes no bit of the model and draws nothing at random.
        """
        share = Share(ranks=learner.comm.size, rank=learner.comm.rank)
        own = self._set.take(np.arange(self.pictures)[share.block(self.pictures)])
        batches = read_for_evaluation(
            own, self._images, BATCH_SIZE, threads=self._execution.decoding_threads,
            prefetch=self._execution.prefetch_batches,
        )  # fmt: skip
        correct = 0
        for images, labels in batches:
            parts = zip(
                images.split(PREDICTED_AT_A_TIME), labels.split(PREDICTED_AT_A_TIME), strict=True
            )
            for pictures, truth in parts:
                predicted = learner.infer(learner.look(pictures), {}).argmax(dim=1).cpu()
                correct += int((predicted == truth).sum())
        return correct


class Curve:
    """Accuracies of one model or both by epoch, under `names`; NaN where none was measured."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names, self._rows = tuple(names), dict[int, list[float]]()

    def add(self, epoch: int, accuracies: Sequence[float]) -> None:
        """Note what was measured after an epoch, counted from 0."""
        self._rows[epoch] = list(accuracies)

    def figures(self, epoch: int) -> dict[str, float]:
        """Return the figures of an epoch; none at all where nothing was ever measured."""
        if not self._rows:
            return {}
        nothing = [math.nan] * len(self.names)
        return dict(zip(self.names, self._rows.get(epoch, nothing), strict=True))

    def array(self) -> NDArray[np.float64]:
        """Return all that was measured: epochs and accuracies, shape (n, 1 + names), for a checkpoint."""
        rows = [[epoch, *values] for epoch, values in self._rows.items()]
        return np.array(rows, np.float64).reshape(-1, 1 + len(self.names))

    def restore(self, array: NDArray[np.float64]) -> None:
        """Take what `array` returned."""
        self._rows = {int(row[0]): row[1:].tolist() for row in array}
