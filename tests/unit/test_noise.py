"""Intervals and rates by hand, confusions by their row sums and means."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mct.base.errors import UserError
from mct.labels.noise import (
    asymmetric_matrix,
    confusion_matrix,
    corrupt_labels,
    count_matrix,
    count_rate,
    given_rate,
    read_matrix,
    symmetric_matrix,
    synthetic_labels,
    synthetic_matrix,
    wilson_interval,
)
from mct.labels.settings import NoiseSettings

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
    noise = given_rate(0.4, classes=3).to_dict()
    assert [noise[name] for name in ("rate", "lower", "upper")] == [0.4] * 3
    assert noise["class_rates"] == noise["class_lowers"] == noise["class_uppers"] == [0.4] * 3


def test_confusion_is_counted_with_one_more_picture_spread_over_each_row():
    observed, true = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 0, 0, 1])
    # The picture more is (.6, .2, .2) of the first class; there is none of the third.
    expected = [[3.6 / 5, 1.2 / 5, 0.2 / 5], [0.2 / 2, 1.6 / 2, 0.2 / 2], [0.2, 0.2, 0.6]]
    np.testing.assert_allclose(count_matrix(observed, true, classes=3, rate=0.4), expected)


def test_counted_confusion_comes_close_to_the_one_that_made_the_labels():
    matrix, true = confusion_matrix(5, 0.4, seed=2), np.arange(50_000) % 5
    observed = corrupt_labels(true, matrix, seed=1)
    counted = count_matrix(observed, true, 5, rate=0.4)
    np.testing.assert_allclose(counted.sum(axis=1), 1)
    # Five standard deviations of a share of 10,000.
    np.testing.assert_allclose(counted, matrix, atol=5 * 0.5 / 10_000**0.5)


def test_a_single_class_is_never_confused():
    assert count_matrix(np.zeros(3, int), np.zeros(3, int), classes=1, rate=0.4) == [[1]]


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


def noise(kind: str, **changes: object) -> NoiseSettings:
    return NoiseSettings(kind=kind, **changes)


@pytest.mark.parametrize("kind", ["symmetric", "asymmetric", "class_dependent"])
@pytest.mark.parametrize("rate", [0, 0.2, 0.45, 0.9])
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_rows_of_synthetic_noise_sum_to_one_and_have_its_rate(kind, rate, classes):
    matrix = synthetic_matrix(noise(kind, rate=rate), classes, seed=0)
    assert (matrix >= 0).all()
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    assert 1 - matrix.diagonal().mean() == pytest.approx(rate)


def test_symmetric_and_asymmetric_noise_by_hand():
    third = [[0.7, 0.15, 0.15], [0.15, 0.7, 0.15], [0.15, 0.15, 0.7]]
    np.testing.assert_allclose(symmetric_matrix(3, 0.3), third)
    np.testing.assert_allclose(
        asymmetric_matrix(3, 0.3), [[0.7, 0.3, 0], [0, 0.7, 0.3], [0.3, 0, 0.7]]
    )


@pytest.mark.parametrize("kind", ["symmetric", "asymmetric", "class_dependent"])
def test_realised_rates_are_those_of_the_matrix(kind):
    settings, each = noise(kind, rate=0.4), 5000
    labels = np.repeat(np.arange(4), each)
    matrix = synthetic_matrix(settings, 4, seed=2)
    observed = synthetic_labels(labels, settings, 4, seed=2)
    shares = np.stack([np.bincount(observed[labels == i], minlength=4) / each for i in range(4)])
    # Four standard deviations of each share.
    assert (abs(shares - matrix) <= 4 * np.sqrt(matrix * (1 - matrix) / each)).all()


def test_synthetic_labels_depend_on_the_seed_alone():
    labels, settings = np.arange(1000) % 10, noise("symmetric", rate=0.4)
    one, again, other = (synthetic_labels(labels, settings, 10, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    assert one.dtype == np.int64


@pytest.mark.parametrize("kind", ["asymmetric", "class_dependent"])
def test_a_matrix_is_read_from_its_file(tmp_path, kind):
    path = tmp_path / "matrix.csv"
    path.write_text("0.9,0.1\n0.25,0.75\n")
    matrix = synthetic_matrix(noise(kind, matrix=str(path)), 2, seed=0)
    np.testing.assert_array_equal(matrix, [[0.9, 0.1], [0.25, 0.75]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,0\n", "expected 2 x 2 probabilities, got 1 x 2"),
        ("1,0\n0.5,0.4\n", "row 2: expected a sum of 1, got 0.9"),
        ("1,0\n-1,2\n", "expected probabilities from 0 to 1"),
        ("1,0\nnan,1\n", "expected probabilities from 0 to 1"),
        ("1,0\na,b\n", "cannot be read as a CSV file of numbers"),
        ("1,0\n1\n", "cannot be read as a CSV file of numbers"),
    ],
)
def test_wrong_matrices_are_refused(tmp_path, text, message):
    path = tmp_path / "matrix.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"matrix\.csv.*{message}"):
        read_matrix(path, 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (noise("symmetric"), "symmetric needs either a rate or a matrix, got neither"),
        (noise("asymmetric", rate=0.1, matrix="m.csv"), "either a rate or a matrix, got both"),
        (noise("symmetric", matrix="m.csv"), "matrix: `symmetric` is defined by a rate"),
        (noise("instance_dependent", matrix="m.csv"), "`instance_dependent` is defined by a rate"),
        (noise("asymmetric", matrix="nowhere.csv"), r"nowhere\.csv: cannot be read"),
    ],
)
def test_noise_that_is_not_defined_is_refused(settings, message):
    with pytest.raises(UserError, match=message):
        synthetic_matrix(settings, 2, seed=0)


def test_noise_of_a_single_class_is_refused():
    with pytest.raises(UserError, match="expected two classes or more, got 1"):
        synthetic_matrix(noise("symmetric", rate=0.1), 1, seed=0)


def test_labels_are_drawn_as_by_comparing_with_every_edge():
    matrix, labels = confusion_matrix(7, 0.5, seed=1), np.arange(500) % 7
    edges = matrix.cumsum(axis=1)[labels]
    edges[:, -1] = 1.0
    draws = np.random.default_rng([3, 500]).random((500, 1))
    np.testing.assert_array_equal(corrupt_labels(labels, matrix, 3), (draws >= edges).sum(axis=1))
