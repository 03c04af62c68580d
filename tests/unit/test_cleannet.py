"""CleanNet on features whose right labels are known."""

import tracemalloc

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from mct.base.errors import UserError
from mct.data.settings import ImageSettings
from mct.learning.cleannet import (
    CENTRES,
    CleanNet,
    draw_others,
    find_references,
    score_labels,
    standardise,
)
from mct.learning.settings import CleanNetSettings, ModelSettings, OptimizerSettings

CLASSES, FEATURES = 3, 8
SETTINGS = CleanNetSettings(
    images=ImageSettings(size=8, augmentation="none", mean=(0.5,) * 3, std=(0.25,) * 3),
    model=ModelSettings(name="small_cnn", initial_weights=None, precision="float32"),
    optimizer=OptimizerSettings(momentum=0.9, nesterov=True, weight_decay=5e-4, batch_size=16),
    epochs=10, learning_rate=0.1, width=16, seed=0,
)  # fmt: skip


def clusters(labels: np.ndarray, seed: int) -> np.ndarray:
    """Return features around a centre of each class."""
    centres = 4 * np.eye(CLASSES, FEATURES)
    noise = np.random.default_rng(seed).normal(0, 1, (len(labels), FEATURES))
    return (centres[labels] + noise).astype(np.float32)


def test_right_labels_get_more_weight_than_wrong_ones():
    generator = np.random.default_rng(0)
    true = np.arange(300) % CLASSES
    is_wrong = generator.random(300) < 0.4
    observed = np.where(is_wrong, (true + generator.integers(1, CLASSES, 300)) % CLASSES, true)

    def score() -> np.ndarray:
        noisy = clusters(true, 1), observed
        clean = clusters(true[:60], 2), true[:60], observed[:60]
        return score_labels(noisy, clean, CLASSES, SETTINGS)

    weights = score()
    assert weights.shape == (300,)
    assert (weights >= 0).all()
    assert (weights <= 1 + 1e-6).all()
    assert weights[~is_wrong].mean() > 0.8
    assert weights[is_wrong].mean() < 0.2
    np.testing.assert_array_equal(weights, score())


def test_features_are_standardised_in_place():
    generator = np.random.default_rng(0)
    noisy, clean = (generator.normal(3, 2, (n, 512)).astype(np.float32) for n in (2000, 100))
    mean, deviation = noisy.mean(axis=0), noisy.std(axis=0) + 1e-6
    expected = [(part - mean) / deviation for part in (noisy, clean)]
    tracemalloc.start()
    standardise(noisy, clean)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(noisy, expected[0])
    np.testing.assert_array_equal(clean, expected[1])
    assert most < 0.2 * noisy.nbytes


def test_a_verification_that_diverged_is_refused():
    true = np.arange(60) % CLASSES
    noisy, clean = (clusters(true, 1), true), (clusters(true, 2), true, true)
    settings = replace(SETTINGS, learning_rate=1e30)
    with pytest.raises(
        UserError,
        match=r"not finite at step \d+ of 40; last finite loss: \d\S+; lower baselines\.cleannet\."
        r"learning_rate, which is 1e\+30",
    ):
        score_labels(noisy, clean, CLASSES, settings)


def test_references_are_centres_or_the_pictures_themselves():
    observed = np.array([0] * 100 + [1] * 3)
    features = clusters(observed, 0)
    references = find_references(features, observed, CLASSES, seed=0)
    assert references.shape == (CLASSES, CENTRES, FEATURES)
    spread = np.abs(references[0].mean(axis=0) - features[:100].mean(axis=0)).max()
    assert spread < 1  # centres stay among the pictures
    assert {tuple(row) for row in references[1]} == {tuple(row) for row in features[100:]}
    assert not references[2].any()


def test_other_classes_are_observed_ones_where_those_are_wrong():
    true, observed = np.array([0, 1, 2, 0] * 50), np.array([2, 1, -1, 0] * 50)
    others = draw_others(true, observed, CLASSES, np.random.default_rng(0))
    assert (others != true).all()
    assert (others[::4] == 2).all()
    assert {int(other) for other in others[1::4]} == {0, 2}


def test_the_order_of_references_does_not_matter():
    torch.manual_seed(0)
    net, references = CleanNet(FEATURES, 16), torch.randn(CLASSES, CENTRES, FEATURES)
    shuffled = references[:, torch.randperm(CENTRES)]
    torch.testing.assert_close(net.embed_classes(references), net.embed_classes(shuffled))
