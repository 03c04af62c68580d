"""Intervals and rates by hand, confusions by their row sums and means."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mct.noise import (
    confusion_matrix,
    corrupt_labels,
    count_rate,
    given_rate,
    wilson_interval,
)

Z = 1.959963984540054
"""97.5 % of a standard normal variable lie below it."""


@given(st.integers(1, 10_000))
def test_interval_without_wrong_labels_has_a_closed_form(samples):
    assert wilson_interval(0, samples) == pytest.approx((0, Z**2 / (samples + Z**2)))


def test_interval_of_a_half_by_hand():
    # Centre 1/2; half width z sqrt(1/4n + z²/4n²) / (1 + z²/n) with n = 10 is 0.2634.
    assert wilson_interval(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)


@given(st.integers(1, 1000), st.data())
def test_right_labels_have_the_mirrored_interval(samples, data):
    wrong = data.draw(st.integers(0, samples))
    low, high = wilson_interval(wrong, samples)
    assert wilson_interval(samples - wrong, samples) == pytest.approx((1 - high, 1 - low))
    assert low <= wrong / samples + 1e-12
    assert high >= wrong / samples - 1e-12


def test_nothing_is_known_without_samples():
    assert wilson_interval(0, 0) == (0, 1)


def test_rates_are_counted_overall_and_by_observed_class():
    observed = np.array([0, 0, 0, 0, 1, 1])
    true = np.array([0, 0, 0, 1, 1, 2])
    counted = count_rate(observed, true, classes=3)
    assert (counted.rate, counted.samples, counted.method) == (2 / 6, 6, "counted")
    assert (counted.lower, counted.upper) == wilson_interval(2, 6)
    # Nobody observed class 2: it has the overall rate and bound.
    assert counted.class_rates == [1 / 4, 1 / 2, 2 / 6]
    uppers = [wilson_interval(*share)[1] for share in ((1, 4), (1, 2), (2, 6))]
    assert counted.class_uppers == uppers


def test_a_given_rate_is_that_of_every_class_and_its_own_bound():
    noise = given_rate(0.4, classes=3).to_dict()
    assert [noise[name] for name in ("rate", "lower", "upper")] == [0.4] * 3
    assert noise["class_rates"] == noise["class_uppers"] == [0.4] * 3


@pytest.mark.parametrize("rate", [0, 0.2, 0.4, 0.6, 0.9])
@pytest.mark.parametrize("classes", [2, 10, 14])
def test_confusion_has_the_mean_rate_and_spreads_it_over_classes(rate, classes):
    matrix = confusion_matrix(classes, rate, seed=0)
    assert (matrix >= 0).all()
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    wrong = 1 - matrix.diagonal()
    assert wrong.mean() == pytest.approx(rate)
    assert wrong.min() >= 0.5 * rate - 1e-9
    assert wrong.max() <= 1.5 * rate + 1e-9


def test_confusion_depends_on_the_seed_alone():
    one, again, other = (confusion_matrix(10, 0.4, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_a_permutation_matrix_renames_every_label():
    labels, names = np.arange(100) % 5, np.array([3, 1, 4, 0, 2])
    np.testing.assert_array_equal(corrupt_labels(labels, np.eye(5)[names], seed=0), names[labels])


def test_observed_labels_follow_the_rows_of_the_confusion():
    matrix = confusion_matrix(4, 0.4, seed=3)
    labels = np.repeat(np.arange(4), 20_000)
    observed = corrupt_labels(labels, matrix, seed=0)
    np.testing.assert_array_equal(observed, corrupt_labels(labels, matrix, seed=0))
    shares = np.stack([np.bincount(observed[labels == i], minlength=4) / 20_000 for i in range(4)])
    # Five standard deviations of a share of 20,000.
    np.testing.assert_allclose(shares, matrix, atol=5 * 0.5 / 20_000**0.5)
