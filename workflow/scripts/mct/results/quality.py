"""How pure and how complete selections were, measured on true labels."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Quality(NamedTuple):
    """Purity and recall of both selections in every epoch, float64 of shape (epochs, 2, K).

    By observed class; NaN where there is nothing to measure.
    """

    purity: NDArray[np.float64]
    recall: NDArray[np.float64]


def measure_selection(
    selected: NDArray[np.bool_],
    observed: NDArray[np.integer],
    true: NDArray[np.integer],
    measurable: NDArray[np.bool_],
    classes: int,
) -> Quality:
    """Measure the selections (epochs, n, 2) of samples whose labels are (n,).

    Purity is the share of selected labels that are right, recall the share of right labels that
    are selected, both over `measurable` samples: truth known, but not to the training.
    """
    is_right = measurable & (observed == true)

    def count(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the numbers by class, (epochs, 2, K), of a mask (epochs, n, 2)."""
        parts = [
            [np.bincount(observed[part], minlength=classes) for part in epoch.T] for epoch in mask
        ]
        return np.array(parts)

    pure, chosen = (count(selected & part[:, None]) for part in (is_right, measurable))
    right = np.bincount(observed[is_right], minlength=classes)
    with np.errstate(invalid="ignore"):
        return Quality(purity=pure / chosen, recall=pure / right)
