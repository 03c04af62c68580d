"""Measures that weigh all classes alike, from a confusion matrix of counts, rows true classes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mct.base.roles import Role
from mct.results.tables import Results, Row


def recalls(confusion: ArrayLike) -> NDArray[np.float64]:
    """Return the recall of each class, (K,); NaN for a class that has no sample."""
    counts = np.asarray(confusion, np.float64)
    with np.errstate(invalid="ignore"):
        return counts.diagonal() / counts.sum(axis=1)


def balanced_accuracy(confusion: ArrayLike) -> float:
    """Return the mean recall of the classes that have samples, 0 to 1."""
    return float(np.nanmean(recalls(confusion)))


def macro_f1(confusion: ArrayLike) -> float:
    """Return the mean F1 of the classes that have samples or were predicted, 0 to 1."""
    counts = np.asarray(confusion, np.float64)
    whole = counts.sum(axis=0) + counts.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return float(np.nanmean(2 * counts.diagonal() / whole))


def recall_rows(
    evaluations: Results, titles: Mapping[str, str], classes: Sequence[str]
) -> list[Row]:
    """Return a row for each class: its test pictures, and the recall of each method's deployed model.

    Percent, means over all runs; empty for a class without pictures.
    """
    deployed = {run: one for run, one in evaluations.items() if run.role == Role.PRIMARY}
    by_method: dict[str, list[Any]] = {}
    for run, one in deployed.items():
        by_method.setdefault(titles[run.method], []).append(one["confusion"])
    samples = np.asarray(next(iter(deployed.values()))["confusion"]).sum(axis=1)
    means = {
        title: 100 * np.mean([recalls(one) for one in found], axis=0)
        for title, found in by_method.items()
    }
    return [
        {
            "class": name,
            "samples": str(samples[number]),
            **{title: _percent(values[number]) for title, values in means.items()},
        }
        for number, name in enumerate(classes)
    ]


def _percent(value: Any) -> str:
    return "" if np.isnan(value) else f"{value:.2f}"
