"""A confusion and P that say the same."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mct.calibration.evidence import Evidence
from mct.experiment.cautions import contradiction_cautions
from mct.labels.agreement import agree, describe_contradiction, implied_rate
from mct.labels.confusions import symmetric_matrix


def made_confusion(classes: int, wrong: float, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).dirichlet(np.ones(classes), classes)
    return (1 - wrong) * np.eye(classes) + wrong * drawn


def test_two_classes_by_hand():
    """Of 100 of class 0 and 100 of class 1, 20 and 10 are given to the other one."""
    matrix = np.array([[0.8, 0.2], [0.1, 0.9]])
    shares = np.array([0.45, 0.55])
    assert implied_rate(matrix, shares) == pytest.approx(0.15, abs=1e-3)


def test_symmetric_noise_of_one_rate_becomes_that_of_another():
    even = np.full(4, 0.25)
    np.testing.assert_allclose(
        agree(symmetric_matrix(4, 0.5), even, 0.2), symmetric_matrix(4, 0.2), atol=1e-9
    )


@given(st.floats(0.02, 0.6), st.floats(0.05, 0.5), st.integers(0, 999))
def test_what_agrees_has_the_rate_and_the_shares(wrong, rate, seed):
    matrix = made_confusion(6, wrong, seed)
    shares = np.random.default_rng(seed).dirichlet(np.full(6, 5.0)) @ matrix
    agreed = agree(matrix, shares, rate)
    assert implied_rate(agreed, shares) == pytest.approx(rate, abs=2e-3)
    np.testing.assert_allclose(agreed.sum(axis=1), 1)
    assert (agreed >= 0).all()


def test_a_matrix_that_has_the_rate_stays():
    matrix = made_confusion(5, 0.4)
    shares = np.full(5, 0.2) @ matrix
    same = agree(matrix, shares, implied_rate(matrix, shares))
    np.testing.assert_allclose(same, matrix, atol=1e-6)


def test_without_wrong_labels_nothing_says_where_they_would_fall():
    np.testing.assert_array_equal(agree(np.eye(3), np.full(3, 1 / 3), 0.2), np.eye(3))


def test_a_class_that_nobody_observed_counts_as_labelled_right():
    matrix = np.array([[1.0, 0, 0], [0, 0.9, 0.1], [0, 0.2, 0.8]])
    agreed = agree(matrix, np.array([0, 0.5, 0.5]), 0.3)
    np.testing.assert_allclose(agreed[0], [1, 0, 0])
    assert implied_rate(agreed, np.array([0, 0.5, 0.5])) == pytest.approx(0.3, abs=2e-3)


@pytest.mark.parametrize(
    ("found", "expected"), [(0.18, None), (0.215, None), (0.24, 0.24), (0.53, 0.53)]
)
def test_a_confusion_beyond_the_interval_of_p_is_brought_to_it(found, expected):
    noise = {"rate": 0.18, "lower": 0.16, "upper": 0.2}
    matrix, even = symmetric_matrix(10, found), np.full(10, 0.1)
    evidence = Evidence.of(noise, matrix, even)
    assert evidence.confusion_rate == (expected and pytest.approx(expected))
    kept = matrix if expected is None else symmetric_matrix(10, 0.18)
    np.testing.assert_allclose(evidence.confusion, kept, atol=1e-9)
    text = (
        f"confusion says {100 * found:.1f} % of labels are wrong, P is 18.0 % (16.0 to 20.0): "
        "it was brought to P"
    )
    assert describe_contradiction(evidence.facts()) == ("" if expected is None else text)


@pytest.mark.parametrize(("samples", "contradicts"), [(30, False), (300, False), (3000, True)])
def test_few_counted_samples_contradict_nothing(samples, contradicts):
    """34 % of 30 or 300 pictures are compatible with 40 % of all; of 3,000 they are not."""
    noise = {"rate": 0.4, "lower": 0.4, "upper": 0.4}
    evidence = Evidence.of(noise, symmetric_matrix(5, 0.34), np.full(5, 0.2), samples)
    assert evidence.contradicts is contradicts
    np.testing.assert_allclose(evidence.confusion, symmetric_matrix(5, 0.4), atol=1e-9)
    assert bool(describe_contradiction(evidence.facts())) is contradicts


def test_the_plan_repeats_what_a_finished_calibration_found(tmp_path):
    found = Evidence.of(
        {"rate": 0.2, "lower": 0.2, "upper": 0.2}, symmetric_matrix(4, 0.5), np.full(4, 0.25)
    )
    for name, facts in (("one", found.facts()), ("other", {}), ("again", found.facts())):
        (tmp_path / name).write_text(json.dumps(facts))
    (tmp_path / "cut").write_text("{")
    paths = [tmp_path / name for name in ("none", "cut", "one", "other", "again")]
    assert contradiction_cautions(paths) == [
        f"{tmp_path / 'one'}: confusion says 50.0 % of labels are wrong, P is 20.0 %: it was brought to P"
    ]
