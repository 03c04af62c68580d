"""Intervals and rates by hand."""

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mct.labels.noise import count_rate, given_rate, wilson_interval

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
    counted = count_rate(observed, observed != true, classes=3)
    assert (counted.rate, counted.samples, counted.method) == (2 / 6, 6, "counted")
    assert (counted.lower, counted.upper) == wilson_interval(2, 6)
    # Nobody observed class 2: it has the overall rate and bounds.
    assert counted.class_rates == [1 / 4, 1 / 2, 2 / 6]
    intervals = [wilson_interval(*share) for share in ((1, 4), (1, 2), (2, 6))]
    bounds = zip(counted.class_lowers, counted.class_uppers, strict=True)
    assert list(bounds) == intervals
    assert counted.class_samples == [4, 2, 0]


@pytest.mark.parametrize(("rate", "samples"), [(0.4, 200), (0.4, 2000), (0.09, 500)])
def test_the_interval_contains_the_true_rate_as_often_as_it_says(rate, samples):
    generator, draws = np.random.default_rng(0), 1000
    held = 0
    for _ in range(draws):
        observed = np.zeros(samples, np.int64)  # one class: each has an interval of its own
        counted = count_rate(observed, generator.random(samples) < rate, classes=1)
        held += counted.lower <= rate <= counted.upper
    # Four standard deviations of a share of a thousand, and a per cent: Wilson's is approximate.
    assert abs(held / draws - 0.95) < 4 * (0.95 * 0.05 / draws) ** 0.5 + 0.01


def test_a_given_rate_is_that_of_every_class_and_its_own_bound():
    noise = asdict(given_rate(0.4, classes=3))
    assert [noise[name] for name in ("rate", "lower", "upper")] == [0.4] * 3
    assert noise["class_rates"] == noise["class_lowers"] == noise["class_uppers"] == [0.4] * 3
