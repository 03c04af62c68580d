"""Confusion matrices: counts, and T[i, j] = P(observed j | true i) as counted, assumed or estimated.

Rows are true classes, columns what was observed or predicted. Owns the files of T too.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mct.base.errors import UserError
from mct.base.files import read_json

Labels = NDArray[np.integer]
Matrix = NDArray[np.float64]
ANCHOR_PERCENTILE = 97.0
"""Patrini's: the most certain predictions of a class are outliers, not anchors."""
LEAST_SHARE = 1e-6
"""Of a class in an anchor's prediction, so that no label is impossible."""


def count_confusion(seen: Labels, true: Labels, classes: int) -> NDArray[np.int64]:
    """Return counts of shape (K, K) from labels or predictions `seen` (n,) of true classes (n,)."""
    return np.bincount(true * classes + seen, minlength=classes**2).reshape(classes, classes)


def counted_matrix(observed: Labels, true: Labels, classes: int, rate: float) -> Matrix:
    """Count T[i, j] = P(observed j | true i), shape (K, K), on pictures with both labels, (n,).

    One more picture is spread over each row as symmetric noise of `rate` would: a class of which
    there is no picture gets that alone, and no label is impossible.
    """
    counts = count_confusion(observed, true, classes)
    smoothed = counts + (symmetric_matrix(classes, rate) if classes > 1 else np.ones((1, 1)))
    return smoothed / smoothed.sum(axis=1, keepdims=True)


def symmetric_matrix(classes: int, rate: float) -> Matrix:
    """Return T, shape (K, K), in which wrong labels fall on all other classes alike."""
    matrix = np.full((classes, classes), rate / (classes - 1))
    np.fill_diagonal(matrix, 1 - rate)
    return matrix


def mean_predictions(probabilities: NDArray[np.floating], true: Labels) -> Matrix:
    """Return GLC's C, shape (K, K): row i is the mean prediction for pictures of class i.

    `probabilities` (n, K) come from a model trained on observed labels, for clean pictures of
    classes `true` (n,). A class without pictures counts as labelled right (Hendrycks et al.,
    NeurIPS 2018, Sec. 3.1).
    """
    matrix = np.eye(probabilities.shape[1])
    for label in np.unique(true):
        matrix[label] = probabilities[true == label].mean(axis=0, dtype=np.float64)
    return matrix / matrix.sum(axis=1, keepdims=True)


def anchor_predictions(probabilities: NDArray[np.floating]) -> Matrix:
    """Return T, shape (K, K): row i is the prediction for the anchor of class i.

    The anchor is the picture at the 97th percentile of p_i among those that are most probably of
    class i, of predictions (n, K) by a model trained on observed labels (Patrini et al., CVPR 2017,
    Eq. 12 and Sec. 4.3, who take it among all pictures: that leaves no anchor to a class with less
    than 3 % of them). A class that is predicted for none has its anchor among all.
    """
    predicted = probabilities.argmax(axis=1)
    anchors = [_anchor(probabilities[:, i], predicted == i) for i in range(probabilities.shape[1])]
    matrix = np.maximum(probabilities[anchors].astype(np.float64), LEAST_SHARE)
    return matrix / matrix.sum(axis=1, keepdims=True)


def _anchor(certainty: NDArray[np.floating], own: NDArray[np.bool_]) -> int:
    """Return the place of a class's anchor from p_i (n,) and the pictures most probably of it, (n,)."""
    candidates = np.flatnonzero(own) if own.any() else np.arange(len(own))
    order = candidates[np.argsort(certainty[candidates], kind="stable")]
    return int(order[int(ANCHOR_PERCENTILE / 100 * (len(order) - 1))])


NOT_COUNTED = "no counted confusion, since no clean picture has an observed label"


def read_confusion(path: Path) -> Matrix:
    """Return the matrix, shape (K, K), of a noise or confusion file; UserError if it has none."""
    content = read_json(path, "matrix")
    if content["matrix"] is None:
        solved = content.get("unavailable", {}).get("solved")
        reason = f"no solved confusion: {solved}" if solved else NOT_COUNTED
        raise UserError(
            f"{path}: {reason}; set this method's key `confusion` to `estimated` (or `anchors`), or "
            "leave the method out"
        )
    return np.array(content["matrix"])


def read_samples(path: Path) -> int:
    """Return how many samples a noise or confusion file's matrix was counted on, 0 if it was not."""
    return int(read_json(path).get("matrix_samples", 0))


def read_assumed_confusion(path: Path, classes: int) -> Matrix:
    """Return the matrix (K, K) of a noise or confusion file; symmetric noise where nothing was counted."""
    content = read_json(path, "matrix")
    if content["matrix"] is not None:
        return np.array(content["matrix"])
    return symmetric_matrix(classes, read_json(path, "rate")["rate"])


def invert(matrix: Matrix) -> Matrix:
    """Return the inverse of a confusion matrix; UserError where it has none."""
    if np.linalg.cond(matrix) > 1 / np.finfo(np.float32).eps:
        raise UserError(
            "backward correction: the confusion matrix has no inverse (two classes are labelled "
            "alike); take `forward`"
        )
    return np.asarray(np.linalg.inv(matrix), np.float64)
