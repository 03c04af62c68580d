"""Estimates of the noise rate: exact where what they assume holds, against slow forms, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mct.base.errors import UserError
from mct.labels import estimators
from mct.labels.estimators import (
    confident_joint,
    estimate_by_models,
    read_joint,
    solve_joint,
    true_rate,
    unseen_sample,
)
from mct.labels.synthetic import class_dependent_matrix, corrupt_labels

HELD_OUT = np.array([[6, 2, 2], [1, 8, 1], [0, 5, 5]])
JOINT = np.array([[0.2, 0.1, 0.0], [0.1, 0.3, 0.0], [0.1, 0.0, 0.2]])
"""Rows are true classes; 30 % are wrong, 1/2, 1/4 and 0 of what is observed as each class."""


def expand(counts: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return index arrays in which each cell of an array of counts occurs as often as it says."""
    return tuple(
        np.repeat(index, counts.ravel())
        for index in np.indices(counts.shape).reshape(counts.ndim, -1)
    )


def noisy_pictures() -> tuple[np.ndarray, np.ndarray]:
    """Return predictions and observed labels that have exactly the shares that J and A imply."""
    shares = np.einsum("yk,yo->ko", HELD_OUT / 10, JOINT)
    counts = np.rint(shares * 1000).astype(int)
    np.testing.assert_allclose(counts, shares * 1000)
    return expand(counts)


def test_a_joint_is_solved_exactly_from_what_it_implies():
    joint = solve_joint(HELD_OUT, *noisy_pictures())
    np.testing.assert_allclose(joint, JOINT, atol=1e-12)
    estimate = read_joint("solved", joint, noisy_pictures()[1])
    assert estimate["rate"] == pytest.approx(0.3)
    assert estimate["class_rates"] == pytest.approx([1 / 2, 1 / 4, 0])
    assert (estimate["samples"], estimate["class_samples"]) == (1000, [400, 400, 200])


def test_a_joint_is_nowhere_negative_and_sums_to_one():
    generator = np.random.default_rng(0)
    for _ in range(20):
        held_out = generator.integers(0, 5, (4, 4)) + 3 * np.eye(4, dtype=int)
        joint = solve_joint(held_out, *generator.integers(0, 4, (2, 50)))
        assert (joint >= 0).all()
        assert joint.sum() == pytest.approx(1)


def test_a_solved_confusion_is_the_joint_by_true_class():
    matrix = estimators.confusion_of(JOINT, 10**9)
    np.testing.assert_allclose(matrix, JOINT / JOINT.sum(axis=1, keepdims=True), atol=1e-8)


def test_no_label_is_impossible_by_a_solved_confusion():
    joint = np.array([[0.7, 0.0, 0.0], [0.1, 0.2, 0.0], [0.0, 0.0, 0.0]])
    matrix = estimators.confusion_of(joint, 50)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    np.testing.assert_allclose(matrix[2], [0.05, 0.05, 0.9])  # nothing is known of its pictures
    assert (matrix > 0).all()


def test_a_class_without_held_out_pictures_cannot_be_solved():
    held_out = HELD_OUT * [[1], [0], [1]]
    with pytest.raises(UserError, match="no validation picture of class 1 shows"):
        solve_joint(held_out, *noisy_pictures())


def test_predictions_that_no_held_out_picture_has_cannot_be_solved():
    held_out = np.array([[5, 5, 0], [1, 9, 0], [4, 6, 0]])
    predicted, observed = np.full(6, 2), np.arange(6) % 3
    with pytest.raises(UserError, match="Ma predicts no validation picture as it predicts noisy"):
        solve_joint(held_out, predicted, observed)
    logits = np.eye(3, dtype=np.float32)[predicted]
    found = estimate_by_models(logits, observed, held_out, np.zeros((3, 3), int), 6)
    assert list(found["unavailable"]) == ["solved"]


def test_a_sure_and_right_model_gives_the_counts_of_both_labels():
    true, observed = expand((JOINT * 1000).astype(int))
    sure = np.eye(3, dtype=np.float32)[true]
    np.testing.assert_allclose(solve_joint(np.eye(3, dtype=int), true, observed), JOINT, atol=1e-12)
    # It is sure in fewer pictures than are observed as a class, so each is above the threshold.
    np.testing.assert_allclose(confident_joint(sure, observed), JOINT)


def test_confident_joint_by_hand():
    observed = np.array([0, 0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7], [0.5, 0.5]])
    # Thresholds 0.6 and 0.6: the last picture counts for no class, the third for class 1.
    counts = np.array([[2, 0], [1, 1]])
    np.testing.assert_allclose(
        confident_joint(probabilities, observed), counts / counts.sum(axis=0) * [3, 2] / 5
    )


@st.composite
def pictures(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Return random probabilities (n, K) and observed labels (n,), of which some do not occur."""
    samples, classes = draw(st.integers(1, 12)), draw(st.integers(2, 5))
    generator = np.random.default_rng(draw(st.integers(0, 1000)))
    probabilities = generator.dirichlet(np.full(classes, 0.5), size=samples)
    return probabilities, generator.integers(0, classes, samples)


@given(pictures())
def test_confident_joint_is_that_of_a_slow_form_however_it_is_cut(case):
    probabilities, observed = case
    classes = probabilities.shape[1]
    counts = np.zeros((classes, classes))
    for row, label in zip(probabilities, observed, strict=True):
        above = [
            j for j in range(classes)
            if (observed == j).any() and row[j] >= probabilities[observed == j, j].mean() - 1e-12
        ]  # fmt: skip
        if above:
            counts[max(above, key=lambda j, row=row: row[j]), label] += 1
    for label in range(classes):
        counts[label, label] = max(counts[label, label], 1)
    members = np.bincount(observed, minlength=classes)
    expected = counts / counts.sum(axis=0) * members / len(observed)
    with pytest.MonkeyPatch.context() as patch:
        for block in (3, estimators.BLOCK):
            patch.setattr(estimators, "BLOCK", block)
            np.testing.assert_allclose(confident_joint(probabilities, observed), expected)


def made_logits(true: np.ndarray, accuracy: float, seed: int) -> np.ndarray:
    """Return outputs of a model that is right in a share of pictures and mostly unsure where not."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1, (len(true), 10))
    sure = generator.random(len(true)) < accuracy
    logits[np.arange(len(true))[sure], true[sure]] += 4
    return logits


@pytest.mark.parametrize(("method", "tolerance"), [("solved", 0.02), ("confident_joint", 0.05)])
def test_estimates_come_near_the_truth_on_made_data(method, tolerance):
    """Where labels and outputs depend on the true class alone, as solving assumes."""
    true, held = (np.random.default_rng(seed).integers(0, 10, 20_000) for seed in (1, 2))
    observed = corrupt_labels(true, class_dependent_matrix(10, 0.4, seed=0), seed=0)
    logits, held_logits = made_logits(true, 0.9, 3), made_logits(held, 0.9, 4)
    held_out = np.zeros((10, 10), int)
    np.add.at(held_out, (held, held_logits.argmax(axis=1)), 1)
    known = np.zeros((10, 10), int)
    found = estimate_by_models(logits, observed, held_out, known, unseen=len(true))
    rates = {estimate["method"]: estimate for estimate in found["estimates"]}
    assert found["unavailable"] == {}
    wrong = observed != true
    assert rates[method]["rate"] == pytest.approx(wrong.mean(), abs=tolerance)
    by_class = [wrong[observed == label].mean() for label in range(10)]
    assert rates[method]["class_rates"] == pytest.approx(by_class, abs=2 * tolerance)


def test_pictures_whose_labels_are_known_enter_with_them():
    predicted, observed = noisy_pictures()
    logits = 50 * np.eye(3)[predicted]
    known = np.diag([100, 200, 200])
    found = estimate_by_models(logits, observed, HELD_OUT, known, unseen=1500)
    solved = found["estimates"][0]
    # 30 % of 1,500 and none of 500; the sample's size does not matter.
    assert solved["rate"] == pytest.approx(0.3 * 1500 / 2000)
    assert solved["class_rates"][0] == pytest.approx(0.2 * 1500 / (0.4 * 1500 + 100))


@pytest.mark.parametrize(
    ("logits", "held_out", "expected"),
    [
        (np.zeros((0, 3)), HELD_OUT, {"solved": "every noisy", "confident_joint": "every noisy"}),
        (np.full((4, 3), np.nan), HELD_OUT, {"solved": "Ma div", "confident_joint": "Ma div"}),
        (np.zeros((4, 3)), np.diag([1, 1, 0]), {"solved": "no validation picture of class 2"}),
    ],
)
def test_what_is_not_available_says_why(logits, held_out, expected):
    observed, known = np.zeros(len(logits), int), np.zeros((3, 3), int)
    found = estimate_by_models(logits, observed, held_out, known, unseen=len(logits))
    assert found["unavailable"].keys() == expected.keys()
    for method, reason in expected.items():
        assert found["unavailable"][method].startswith(reason)
    assert len(found["estimates"]) + len(expected) == 2


def test_the_truth_is_told_only_where_it_is_known():
    observed, true = np.array([0, 0, 1, 1] * 5), np.array([0, 1, 1, 1] * 5)
    truth = true_rate(observed, true, classes=2)
    assert (truth.method, truth.rate, truth.class_rates) == ("truth", 0.25, [0.5, 0])
    true[:2] = -1
    assert true_rate(observed, true, classes=2).samples == 18
    true[:3] = -1
    assert true_rate(observed, true, classes=2) is None


@given(st.integers(0, 40), st.integers(1, 50), st.integers(0, 5))
def test_a_sample_has_pictures_that_ma_did_not_see(clean, most, seed):
    in_clean = np.random.default_rng(seed).permutation(np.arange(40) < clean)
    positions = unseen_sample(in_clean, most, seed)
    assert len(set(positions)) == len(positions) == min(most, 40 - clean)
    assert not in_clean[positions].any()
    assert (np.diff(positions) > 0).all()
