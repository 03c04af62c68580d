"""Accuracies by hand, with ties, missing classes and numbers that are none."""

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from mct.data.settings import ImageSettings
from mct.labels.confusions import count_confusion
from mct.learning.metrics import evaluate_predictions, top_correct
from mct.learning.prediction import mean_probabilities
from mct.stage.compute import Compute

CPU = Compute(device=torch.device("cpu"), dtype=torch.float32)
IMAGES = ImageSettings(size=8, augmentation="none", mean=(0.5,) * 3, std=(0.25,) * 3)


@st.composite
def predictions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Return logits of few values, so that there are ties, and labels."""
    samples, classes = draw(st.integers(1, 10)), draw(st.integers(1, 8))
    values = st.lists(st.integers(0, 4), min_size=samples * classes, max_size=samples * classes)
    logits = np.array(draw(values), np.float32).reshape(samples, classes)
    label = st.integers(0, classes - 1)
    return logits, np.array(draw(st.lists(label, min_size=samples, max_size=samples)))


def test_top_counts_by_hand():
    logits = np.array([[5, 4, 3, 2, 1, 0]] * 6)
    assert [top_correct(logits, np.arange(6), top) for top in range(1, 7)] == [1, 2, 3, 4, 5, 6]


def test_of_equal_logits_the_first_counts_as_it_does_for_argmax():
    logits = np.array([[1, 1, 0], [1, 0, 0]])
    assert top_correct(logits, np.array([0, 0]), 1) == 2
    assert top_correct(logits, np.array([1, 2]), 1) == 0
    assert top_correct(logits, np.array([1, 2]), 2) == 1


@given(predictions(), st.integers(1, 8))
def test_top_counts_are_those_of_a_slow_sort(case, top):
    logits, labels = case
    expected = 0
    for row, label in zip(logits, labels, strict=True):
        order = sorted(range(len(row)), key=lambda i, row=row: (-row[i], i))
        expected += label in order[:top]
    assert top_correct(logits, labels, top) == expected


def test_a_pair_says_the_mean_of_its_models_probabilities():
    """Of two models the one that is sure decides, which the mean of their logits would not show."""
    sure, doubtful = np.log([[0.9, 0.1, 1e-9]]), np.log([[0.25, 0.35, 0.4]]) + 7
    mean = mean_probabilities([sure.astype(np.float32), doubtful.astype(np.float32)])
    np.testing.assert_allclose(mean, [[0.575, 0.225, 0.2]], atol=1e-6)


def test_a_model_that_diverged_is_never_right():
    logits = np.full((4, 10), np.nan, np.float32)
    assert top_correct(logits, np.arange(4), 5) == 0


def test_confusion_has_true_classes_in_rows():
    counts = count_confusion(np.array([0, 1, 1, 2]), np.array([0, 0, 1, 0]), classes=4)
    assert counts.tolist() == [[1, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


@given(predictions())
def test_an_evaluation_agrees_with_itself(case):
    logits, labels = case
    report = evaluate_predictions(logits, labels)
    counts = np.array(report["confusion"])
    assert counts.sum() == report["samples"] == len(labels)
    np.testing.assert_array_equal(
        counts.sum(axis=1), np.bincount(labels, minlength=logits.shape[1])
    )
    assert report["top1"] == pytest.approx(counts.trace() / len(labels))
    for label, recall in enumerate(report["per_class"]):
        own = labels == label
        expected = (logits[own].argmax(axis=1) == label).mean() if own.any() else None
        assert recall == (expected if expected is None else pytest.approx(expected))


@given(predictions())
@example((np.zeros((1, 10)), np.array([0])))
def test_top_five_is_at_least_top_one(case):
    report = evaluate_predictions(*case)
    assert report["top1"] <= report["top5"] <= 1


def test_five_classes_or_fewer_are_always_among_the_top_five():
    logits = np.random.default_rng(0).random((20, 5))
    assert evaluate_predictions(logits, np.arange(20) % 5)["top5"] == 1
