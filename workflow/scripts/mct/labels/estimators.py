"""The share of wrong labels as a model sees it: two estimates of the joint of true and observed labels.

Both rest on a model that was trained without the noisy labels it looks at: Ma, trained on the clean
set alone, on noisy pictures outside of that. A joint J has shape (K, K), J[y, ỹ] the share of
pictures with true label y and observed label ỹ; P = 1 - tr J.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mct.base.errors import UserError
from mct.labels.confusions import Labels, Matrix, count_confusion, symmetric_matrix
from mct.labels.noise import NoiseRate, count_rate

Joint = NDArray[np.float64]
METHODS = ("solved", "confident_joint")
TRUTH_SHARE = 0.9
"""The share of noisy pictures whose true label must be known to call the count the truth."""
BLOCK = 1 << 14
"""Pictures whose probabilities are compared with thresholds at a time."""


def unseen_sample(in_clean: NDArray[np.bool_], most: int, seed: int) -> NDArray[np.intp]:
    """Return positions, ascending, of at most `most` noisy pictures that Ma was not trained on.

    `in_clean`, shape (n,), says which of the noisy pictures it was trained on.
    """
    unseen = np.flatnonzero(~in_clean)
    order = np.random.default_rng([seed, len(unseen)]).permutation(len(unseen))
    return unseen[np.sort(order[:most])]


def estimate_by_models(
    logits: NDArray[np.floating], observed: Labels, held_out: Labels, known: Labels, unseen: int
) -> dict[str, Any]:
    """Return P of a noisy set by both estimators, why one is not available, and the solved confusion.

    `logits` (n, K) and `observed` labels (n,) are of a sample of `unseen` noisy pictures that the
    model was not trained on. `held_out` are counts (K, K) of clean pictures that it was not trained
    on, by true class (row) and prediction. `known` are counts (K, K) of the other noisy pictures, by
    true class (row) and observed label: nothing is to be estimated there.
    """
    if not len(observed) or not np.isfinite(logits).all():
        reason = "Ma diverged" if len(observed) else "every noisy picture is in the clean set"
        return {"estimates": [], "unavailable": dict.fromkeys(METHODS, reason), "matrix": None}
    estimates, unavailable, matrices = [], {}, {}
    for method in METHODS:
        try:
            joint = _joint(method, logits, observed, held_out)
        except UserError as error:
            unavailable[method] = str(error)
        else:
            joint = (joint * unseen + known) / (unseen + known.sum())
            estimates.append(read_joint(method, joint, observed))
            matrices[method] = confusion_of(joint, len(observed)).tolist()
    return {"estimates": estimates, "unavailable": unavailable, "matrix": matrices.get("solved")}


def _joint(method: str, logits: NDArray[np.floating], observed: Labels, held_out: Labels) -> Joint:
    if method == "solved":
        return solve_joint(held_out, logits.argmax(axis=1), observed)
    from scipy.special import softmax  # slow to import, and not needed for a plan

    return confident_joint(softmax(logits, axis=1), observed)


def true_rate(observed: Labels, true: Labels, classes: int) -> NoiseRate | None:
    """Return the true P where the true label of (nearly) every noisy picture is known, else None.

    Integer arrays of shape (n,); -1 is an unknown label. Serves to judge estimates, never to train.
    """
    known = true >= 0
    if known.mean() < TRUTH_SHARE:
        return None
    wrong = (observed != true)[known]
    return replace(count_rate(observed[known], wrong, classes), method="truth")


def solve_joint(held_out: Labels, predicted: Labels, observed: Labels) -> Joint:
    """Solve AᵀJ = N for J >= 0 by least squares; docs/decisions.md says what that assumes.

    UserError for a class without held-out pictures: how the model confuses it is not known. Or if
    only 0 solves it: no held-out picture is predicted as any noisy one is. `held_out` are counts
    (K, K) of a model on clean pictures that it was not trained on: rows true classes, columns
    predictions. A has these rows as shares. `predicted` and `observed` are integers (n,) of noisy
    pictures; N[k, ỹ] is the share predicted as k and observed as ỹ.
    """
    from scipy.optimize import nnls  # slow to import, and not needed for a plan

    classes, totals = len(held_out), held_out.sum(axis=1)
    if not totals.all():
        lacking = int(np.flatnonzero(totals == 0)[0])
        raise UserError(f"no validation picture of class {lacking} shows how Ma confuses it")
    rates = held_out / totals[:, None]
    shares = count_confusion(observed, predicted, classes) / len(observed)
    joint = np.stack([nnls(rates.T, column)[0] for column in shares.T], axis=1)
    if not joint.any():
        raise UserError("Ma predicts no validation picture as it predicts noisy ones")
    return joint / joint.sum()


def confident_joint(probabilities: NDArray[np.floating], observed: Labels) -> Joint:
    """Return the calibrated confident joint of Northcutt et al., JAIR 70, 2021, Eq. 1 to 3.

    A picture counts for the likeliest of those classes in which the model is at least as confident
    as it is on average in pictures observed as that class; for none where there is no such class.
    Each observed class is then scaled to its share of all pictures. As in the authors' code a class
    has at least one confident picture of its own. `probabilities` are out-of-sample softmax outputs
    of shape (n, K), `observed` integers of shape (n,).
    """
    classes = probabilities.shape[1]
    members = np.bincount(observed, minlength=classes)
    sums = np.zeros(classes)
    np.add.at(sums, observed, probabilities[np.arange(len(observed)), observed])
    thresholds = np.divide(sums, members, out=np.full(classes, np.inf), where=members > 0)
    counts = np.zeros((classes, classes))
    for start in range(0, len(observed), BLOCK):
        block = probabilities[start : start + BLOCK]
        confident = np.where(block >= thresholds, block, -1.0)
        is_counted = confident.max(axis=1) >= 0
        true, seen = confident.argmax(axis=1), observed[start : start + BLOCK]
        counts += count_confusion(seen[is_counted], true[is_counted], classes)
    np.fill_diagonal(counts, counts.diagonal().clip(min=1))
    return counts / counts.sum(axis=0) * members / len(observed)


def confusion_of(joint: Joint, samples: int) -> Matrix:
    """Return T[i, j] = P(observed j | true i), shape (K, K), of a joint that so many samples tell of.

    One more sample is spread over each row as symmetric noise would, as in `counted_matrix`.
    """
    smoothed = samples * joint + symmetric_matrix(len(joint), float(1 - joint.trace()))
    return smoothed / smoothed.sum(axis=1, keepdims=True)


def read_joint(method: str, joint: Joint, observed: Labels) -> dict[str, Any]:
    """Return P, overall and by observed class (None without pictures), from a joint; `observed` is (n,)."""
    shares, right = joint.sum(axis=0), joint.diagonal()
    parts = zip(right, shares, strict=True)
    return {
        "method": method,
        "rate": float(1 - right.sum()),
        "class_rates": [float(1 - part / share) if share else None for part, share in parts],
        "samples": len(observed),
        "class_samples": np.bincount(observed, minlength=len(joint)).tolist(),
    }
