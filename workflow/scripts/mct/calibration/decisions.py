"""The pair's decisions: whose samples each model learns from, and the record of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mct.base.functions import of_shape, open_function
from mct.base.partition import GlobalBatch, block_lengths
from mct.base.roles import PAIR, Role
from mct.calibration.settings import CalibrationSettings
from mct.data.imagesets import ImageSet
from mct.data.loading import Batch
from mct.labels.selection import select_within

CLASS_FLOOR = 0.5
"""Share that a class has for sure of what selection within classes gives it."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A batch's confidences, float32, and masks, bool, (2, B), rows Ma and Mp; equal on all ranks."""

    confidence: NDArray[np.float32]
    masks: NDArray[np.bool_]


class Selector:
    """Turns both models' confidences into their masks, by the settings of a calibration."""

    def __init__(
        self, settings: CalibrationSettings, noise: Mapping[str, Any], observed: NDArray, pairs: int
    ):
        self._settings, self._noise, self._observed = settings, noise, observed
        self._blocks = pairs * settings.optimizer.accumulation
        self._is_by_class = settings.selection in ("per_class", "class_floor")
        own_share = CLASS_FLOOR if settings.selection == "class_floor" else 1
        self._select = (
            open_function(settings.selecting)
            if settings.selecting
            else partial(select_within, certain_batch=settings.certain_batch, own_share=own_share)
        )

    def decide(self, both: NDArray[np.float32], batch: Batch) -> Decision:
        """Return the decision on a global batch from confidences of shape (2, B)."""
        rule = self._settings.selector
        ranked = both.mean(axis=0) if rule == PAIR else both[Role(rule).place]
        groups, rate = self._groups(batch), self._noise["rate"]
        rates = (
            self._noise["class_rates"] if self._is_by_class else [rate] * (int(groups.max()) + 1)
        )
        # The bound of P is that of the batch: classes' own bounds are wider, and their mean bounds nothing.
        margin = self._noise[self._settings.certain_at] - rate
        bounds = [min(each + margin, 1.0) for each in rates]
        masks = self._select(ranked, groups, rates, bounds)
        return Decision(
            confidence=both, masks=of_shape(masks, both.shape, self._settings.selecting)
        )

    def _groups(self, batch: Batch) -> NDArray[np.int64]:
        if self._is_by_class:
            return self._observed[batch.positions]
        if self._settings.selection == "per_rank":
            lengths = block_lengths(batch.plan.size, self._blocks)
            return np.repeat(np.arange(self._blocks), lengths)
        return np.zeros(batch.plan.size, np.int64)


class SampleRecord:
    """Confidences and selections of every sample in every epoch, kept on world rank 0.

    `confidence` float32 (epochs, n, 2) and `selected` bool (epochs, n, 2); the last axis is
    (Ma, Mp). A sample not seen in an epoch has confidence NaN.
    """

    def __init__(self, epochs: int, samples: int) -> None:
        self.confidence = np.full((epochs, samples, 2), np.nan, np.float32)
        self.selected = np.zeros((epochs, samples, 2), bool)

    def add(self, plan: GlobalBatch, positions: NDArray[np.int64], decision: Decision) -> None:
        """Note the decision on a global batch."""
        self.confidence[plan.epoch, positions] = decision.confidence.T
        self.selected[plan.epoch, positions] = decision.masks.T

    def selected_by_class(self, image_set: ImageSet) -> NDArray[np.int64]:
        """Return how many samples of each observed class were selected, (epochs, 2, K)."""
        count, observed = image_set.classes, image_set.observed
        chosen = [[observed[mask] for mask in epoch.T] for epoch in self.selected]
        counts = [[np.bincount(part, minlength=count) for part in both] for both in chosen]
        return np.array(counts, np.int64).reshape(-1, 2, count)

    def arrays(self, image_set: ImageSet) -> dict[str, NDArray]:
        """Return the record with the samples' keys and labels, for a file."""
        return {
            "confidence": self.confidence,
            "selected": self.selected,
            "key": image_set.keys(),
            "observed": image_set.observed,
            "true": image_set.true,
            "in_clean": image_set.in_clean,
        }
