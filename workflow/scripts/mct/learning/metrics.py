"""What an evaluation reports, from predictions on a labelled set."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mct.labels.confusions import count_confusion

TOP = 5


def top_correct(logits: NDArray[np.floating], labels: NDArray[np.integer], top: int) -> int:
    """Return how many labels are among the `top` largest logits, the first of equal ones; none for NaN."""
    own = np.take_along_axis(logits, labels[:, None], axis=1)
    earlier = np.arange(logits.shape[1]) < labels[:, None]
    better = ((logits > own) | ((logits == own) & earlier)).sum(axis=1)
    return int(((better < top) & ~np.isnan(logits).any(axis=1)).sum())


def evaluate_predictions(
    scores: NDArray[np.floating], labels: NDArray[np.integer]
) -> dict[str, Any]:
    """Return top-1, top-5, per-class accuracy and confusion counts from logits or probabilities (n, K)."""
    classes = scores.shape[1]
    counts = count_confusion(scores.argmax(axis=1), labels, classes)
    totals = counts.sum(axis=1)
    recall = [
        float(c) / float(t) if t else None for c, t in zip(counts.diagonal(), totals, strict=True)
    ]
    return {
        "samples": len(labels),
        "top1": top_correct(scores, labels, 1) / len(labels),
        "top5": top_correct(scores, labels, min(TOP, classes)) / len(labels),
        "per_class": recall,
        "confusion": counts.tolist(),
    }
