"""Calibrated pairs that judge the labels of a set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mct.data.imagesets import ImageSet
from mct.labels.judging import Judgement, join, judge
from mct.labels.posterior import posterior
from mct.learning.prediction import Predictor, mean_probabilities

PICTURES_AT_A_TIME = 20_000
"""Whose predictions are in memory."""


@dataclass(frozen=True, kw_only=True)
class Judges:
    """A calibrated pair (Ma, Mp), and the confusion of labels (K, K) that it is read with."""

    pair: Sequence[Predictor]
    confusion: NDArray[np.float64]

    def posterior(self, image_set: ImageSet) -> NDArray[np.float64]:
        """Return the posterior of each picture's class by the pair's mean prediction, shape (n, K)."""
        mean = mean_probabilities([model.predict(image_set)[0] for model in self.pair])
        observed = torch.from_numpy(image_set.observed)
        confusion = torch.from_numpy(self.confusion)
        return posterior(torch.from_numpy(mean).log(), observed, confusion).numpy()


def judge_set(image_set: ImageSet, juries: Sequence[Judges]) -> Judgement:
    """Return what the mean posterior of several pairs says of a set's labels, a part at a time."""
    parts = [judge(np.zeros((0, image_set.classes)), image_set.observed[:0])]
    for start in range(0, len(image_set), PICTURES_AT_A_TIME):
        stop = min(start + PICTURES_AT_A_TIME, len(image_set))
        part = image_set.take(np.arange(start, stop))
        mean = np.mean([judges.posterior(part) for judges in juries], axis=0)
        parts.append(judge(mean, part.observed))
    return join(parts)
