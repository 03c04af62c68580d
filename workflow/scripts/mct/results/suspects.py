"""Labels that are probably wrong: their list, and its quality."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mct.data.imagesets import ImageSet
from mct.labels.judging import Judgement

COLUMNS = ("key", "observed", "proposed", "wrong_probability", "proposed_probability")
FIRST = (100, 1000, 10_000)
"""Lengths of the beginnings of the list that are measured, in addition to the whole list."""


def order_suspects(judgement: Judgement, observed: NDArray[np.integer]) -> NDArray[np.intp]:
    """Return the positions whose label is not the most probable one, most likely wrong first."""
    order = np.argsort(-judgement.wrong, kind="stable")
    return order[judgement.proposed[order] != observed[order]]


def suspect_rows(
    image_set: ImageSet, judgement: Judgement, order: NDArray[np.integer], names: Sequence[str]
) -> list[tuple[str, ...]]:
    """Return the list in its order: `COLUMNS` of each suspect as text."""
    keys = image_set.keys()
    rows: list[tuple[str, ...]] = []
    for place in order:
        labels = names[image_set.observed[place]], names[judgement.proposed[place]]
        shares = f"{judgement.wrong[place]:.4f}", f"{judgement.certainty[place]:.4f}"
        rows.append((keys[place].decode(), *labels, *shares))
    return rows


def measure_list(
    image_set: ImageSet, judgement: Judgement, order: NDArray[np.integer]
) -> dict[str, float]:
    """Return how good a list is on true labels that no training used; empty without such labels.

    Precision is the share of listed labels that are wrong, recall the share of wrong labels that are
    listed; `auc` is the area under the ROC curve of the probability, `average_precision` that under its
    curve of precision and recall, both for all labels, listed or not.
    """
    known = (image_set.true >= 0) & ~image_set.in_clean
    wrong = image_set.observed != image_set.true
    listed = order[known[order]]
    if not len(listed) or len(np.unique(wrong[known])) < 2:
        return {}
    found = {
        f"precision_first_{n}": float(wrong[listed[:n]].mean()) for n in FIRST if n <= len(listed)
    }
    # As large as torch, and judging needs none of it.
    from sklearn.metrics import average_precision_score, roc_auc_score

    proposed_right = judgement.proposed[listed] == image_set.true[listed]
    return {
        **found,
        "precision": float(wrong[listed].mean()),
        "recall": float(wrong[listed].sum() / wrong[known].sum()),
        "proposal_accuracy": float(proposed_right.mean()),
        "auc": float(roc_auc_score(wrong[known], judgement.wrong[known])),
        "average_precision": float(average_precision_score(wrong[known], judgement.wrong[known])),
    }
