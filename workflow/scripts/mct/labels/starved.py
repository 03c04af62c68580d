"""Classes that a selection starves: once a class lost confidence, a cut never shows it again."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

STARVED = 0.05
"""Share of what a model selects of all samples, below which it selects next to nothing of a class."""


def find_starved(selected: NDArray[np.integer], members: NDArray[np.integer]) -> list[int]:
    """Return the observed classes of which a model selected next to nothing, ascending.

    `selected` are the samples of each class that it selected, `members` those that there are, (K,).
    """
    if not selected.sum():
        return []
    usual = selected.sum() / members.sum()
    return np.flatnonzero(selected < STARVED * usual * members).tolist()


def describe_starved(classes: Sequence[int]) -> str:
    """Return what a model did with classes, which are numbers of lines in the list of classes."""
    return f"selected next to nothing of observed class {', '.join(map(str, classes))}"
