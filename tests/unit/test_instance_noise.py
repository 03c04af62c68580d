"""Noise that depends on the picture: its mean, its spread inside a class, what it depends on."""

import numpy as np
import pytest
from samples import dataset_settings, encode, picture_of

from mct.base.errors import UserError
from mct.data.layouts.base import Row
from mct.data.layouts.synthetic import corrupt_rows
from mct.labels.instance_noise import (
    FLIP_SPREAD,
    flip_rates,
    instance_labels,
    label_probabilities,
    picture_features,
)
from mct.labels.settings import NoiseSettings

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
