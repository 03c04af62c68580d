"""Noise that depends on the picture, and noise by a matrix: rates, spread, what they depend on."""

import numpy as np
import pytest
from samples import dataset_settings, encode, picture_of

from mct.base.errors import UserError
from mct.data.layouts.base import Row
from mct.data.layouts.synthetic import corrupt_rows
from mct.labels.confusions import symmetric_matrix
from mct.labels.settings import NoiseSettings
from mct.labels.synthetic import (
    FLIP_SPREAD,
    asymmetric_matrix,
    check_noise,
    class_dependent_matrix,
    corrupt_labels,
    flip_rates,
    instance_labels,
    label_probabilities,
    picture_features,
    read_matrix,
    synthetic_labels,
    synthetic_matrix,
)

SAMPLES, CLASSES = 4000, 5
FEATURES = np.random.default_rng(0).standard_normal((SAMPLES, 12))


def labels(rate: float = 0.4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return true labels and observed ones."""
    true = np.arange(SAMPLES) % CLASSES
    return true, instance_labels(true, lambda block: FEATURES[block], rate, CLASSES, seed)


@pytest.mark.parametrize("rate", [0.02, 0.2, 0.4, 0.6, 0.95])
def test_rates_of_pictures_have_the_mean_asked_for_and_differ(rate):
    rates = flip_rates(rate, 100_000, seed=0)
    assert 0 <= rates.min() < rates.max() <= 1
    # Four standard deviations of the mean.
    assert abs(rates.mean() - rate) < 4 * FLIP_SPREAD / 100_000**0.5
    assert rates.std() > 0.3 * min(FLIP_SPREAD, rate, 1 - rate)


def test_without_noise_every_label_is_right():
    true, observed = labels(rate=0.0)
    np.testing.assert_array_equal(observed, true)


@pytest.mark.parametrize("rate", [0.1, 0.4, 0.7])
def test_the_share_of_wrong_labels_is_the_rate(rate):
    true, observed = labels(rate)
    wrong = observed != true
    assert abs(wrong.mean() - rate) < 4 * (rate * (1 - rate) / SAMPLES) ** 0.5
    assert set(observed) == set(range(CLASSES))


def test_probabilities_of_a_picture_by_hand():
    features, rates = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([0.3, 0.5])
    weights = np.random.default_rng([7, 1, 2]).standard_normal((2, 3))
    found = label_probabilities(features, rates, label=1, classes=3, seed=7)
    for picture, rate, row in zip(features, rates, found, strict=True):
        others = np.exp(picture @ weights)[[0, 2]]
        np.testing.assert_allclose(row[[0, 2]], rate * others / others.sum())
    np.testing.assert_allclose(found[:, 1], 1 - rates)


def test_pictures_of_a_class_differ_in_how_often_and_as_what_they_are_wrong():
    rates = flip_rates(0.4, 100, seed=0)
    found = label_probabilities(FEATURES[:100], rates, label=2, classes=CLASSES, seed=0)
    assert found[:, 2].max() - found[:, 2].min() > 2 * FLIP_SPREAD
    likeliest = np.delete(found, 2, axis=1).argmax(axis=1)
    assert set(likeliest) == set(range(CLASSES - 1))
    # The same pixels with another rate fail as often as that says, and as the same classes.
    again = label_probabilities(FEATURES[:100], np.full(100, 0.1), 2, CLASSES, seed=0)
    np.testing.assert_array_equal(np.delete(again, 2, axis=1).argmax(axis=1), likeliest)


def test_pictures_alike_get_wrong_labels_by_their_own_shares():
    """And so not by those of the class: noise that a confusion matrix describes would not pass."""
    true, same = np.zeros(SAMPLES, int), FEATURES[:1]
    observed = instance_labels(true, lambda block: same.repeat(len(block), 0), 0.4, CLASSES, 0)
    seen = np.bincount(observed, minlength=CLASSES) / SAMPLES
    own = label_probabilities(same, np.array([0.4]), 0, CLASSES, seed=0)[0]
    of_class = label_probabilities(FEATURES, np.full(SAMPLES, 0.4), 0, CLASSES, seed=0).mean(axis=0)
    limit = 4 * 0.5 / SAMPLES**0.5
    assert (abs(seen - own) < limit).all()
    assert (abs(seen - of_class) > limit).any()


def test_labels_depend_on_the_seed_alone():
    one, again, other = (labels(seed=seed)[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_features_are_small_pixels_without_brightness_and_contrast():
    picture = picture_of(3, 16, 24)
    features = picture_features(picture)
    assert features.shape == (192,)
    assert (features.mean(), features.std()) == pytest.approx((0, 1), abs=1e-12)
    blocks = picture.reshape(8, 2, 8, 3, 3).mean(axis=(1, 3)).reshape(-1)
    expected = (blocks - blocks.mean()) / blocks.std()
    np.testing.assert_allclose(features, expected, atol=0.05)  # pillow rounds to whole numbers
    assert not picture_features(np.full((4, 4, 3), 9, np.uint8)).any()


def rows(count: int = 60) -> list[Row]:
    noisy = [Row(f"{i:02d}", f"{i}.png", true=i % 3, noisy=True, clean=i < 9) for i in range(count)]
    return [*noisy, Row("v", "v.png", observed=1, true=1, validation=True)]


def corrupted(given: list[Row], read, threads: int = 1) -> dict[str, Row]:
    noise = NoiseSettings(kind="instance_dependent", rate=0.5)
    settings = dataset_settings(synthetic_noise=noise)
    return {row.key: row for row in corrupt_rows(given, settings, 3, read, threads)}


def read(path: str) -> bytes:
    return encode(picture_of(int(path.removesuffix(".png"))))


def test_noisy_rows_get_labels_by_their_pictures_whatever_the_order_and_the_threads():
    found = corrupted(rows(), read)
    assert 10 < sum(row.observed != row.true for row in found.values() if row.noisy) < 50
    assert found == corrupted(rows()[::-1], read, threads=3)
    assert [row.true for row in found.values()] == [row.true for row in rows()]
    # Only the noisy set has the new labels.
    assert found["v"].observed == -1
    other = corrupted(rows(), lambda path: read(f"{100 + int(path[:-4])}.png"))
    assert {key for key in found if found[key].observed != other[key].observed}


def test_a_broken_picture_gets_a_label_too():
    found = corrupted(rows(), lambda path: b"no picture" if path == "0.png" else read(path))
    assert found["00"].observed in range(3)


def test_rows_without_a_true_label_are_refused():
    with pytest.raises(UserError, match=r"1 noisy pictures have no true label .*: x; give them in"):
        corrupted([*rows(), Row("x", "1.png", observed=1, noisy=True)], read)


@pytest.mark.parametrize("rate", [0, 0.2, 0.4, 0.6, 0.9])
@pytest.mark.parametrize("classes", [2, 10, 14])
def test_confusion_has_the_mean_rate_and_spreads_it_over_classes(rate, classes):
    matrix = class_dependent_matrix(classes, rate, seed=0)
    assert (matrix >= 0).all()
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    wrong = 1 - matrix.diagonal()
    assert wrong.mean() == pytest.approx(rate)
    assert wrong.min() >= 0.5 * rate - 1e-9
    assert wrong.max() <= 1.5 * rate + 1e-9


def test_confusion_depends_on_the_seed_alone():
    one, again, other = (class_dependent_matrix(10, 0.4, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_a_permutation_matrix_renames_every_label():
    labels, names = np.arange(100) % 5, np.array([3, 1, 4, 0, 2])
    np.testing.assert_array_equal(corrupt_labels(labels, np.eye(5)[names], seed=0), names[labels])


def test_observed_labels_follow_the_rows_of_the_confusion():
    matrix = class_dependent_matrix(4, 0.4, seed=3)
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
        check_noise(settings, 2)


def test_noise_of_a_single_class_is_refused():
    with pytest.raises(UserError, match="expected two classes or more, got 1"):
        check_noise(noise("symmetric", rate=0.1), 1)


def test_labels_are_drawn_as_by_comparing_with_every_edge():
    matrix, labels = class_dependent_matrix(7, 0.5, seed=1), np.arange(500) % 7
    edges = matrix.cumsum(axis=1)[labels]
    edges[:, -1] = 1.0
    draws = np.random.default_rng([3, 500]).random((500, 1))
    np.testing.assert_array_equal(corrupt_labels(labels, matrix, 3), (draws >= edges).sum(axis=1))
