"""Temperature scaling: a temperature that is known is found, errors are those worked by hand."""

import math

import numpy as np
import pytest

from mct.results.temperature import (
    HIGHEST,
    calibration_error,
    fit_temperature,
    mean_loss,
    probabilities,
)


def drawn(temperature: float, samples: int = 20_000, classes: int = 5):
    """Return logits and labels that are drawn by the probabilities of these at a temperature."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (samples, classes))
    chances = probabilities(logits, 1).cumsum(axis=1)
    labels = (generator.random((samples, 1)) > chances).sum(axis=1).clip(max=classes - 1)
    return (logits * temperature).astype(np.float32), labels


@pytest.mark.parametrize("temperature", [0.2, 1, 3.5])
def test_the_temperature_that_made_the_labels_is_found(temperature: float):
    found = fit_temperature(*drawn(temperature))
    assert found.value == pytest.approx(temperature, rel=0.02)
    assert found.note == ""


def test_no_other_temperature_makes_the_labels_more_likely():
    logits, labels = drawn(2, samples=300)
    best = fit_temperature(logits, labels).value
    losses = [mean_loss(logits, labels, best * factor) for factor in (0.5, 0.99, 1.01, 2)]
    assert mean_loss(logits, labels, best) < min(losses)


def test_where_all_predictions_are_right_there_is_no_best_temperature():
    found = fit_temperature(np.eye(3), np.arange(3))
    assert found.value == 1
    assert "all 3 predictions are right" in found.note


def test_a_temperature_at_the_limit_of_the_search_says_so():
    """Logits that say nothing of the labels are the less wrong the flatter they are."""
    found = fit_temperature(np.array([[9.0, 0.0], [9.0, 0.0]]), np.array([1, 1]))
    assert found.value == pytest.approx(HIGHEST, rel=0.001)
    assert found.note == "at the limit of the search"


def test_loss_and_probabilities_by_hand():
    logits = np.array([[0.0, 0.0], [math.log(9), 0.0]], np.float32)
    np.testing.assert_allclose(probabilities(logits, 1), [[0.5, 0.5], [0.9, 0.1]], rtol=1e-6)
    np.testing.assert_allclose(probabilities(logits, 2)[1], [0.75, 0.25], rtol=1e-6)
    expected = (math.log(2) + math.log(10)) / 2
    assert mean_loss(logits, np.array([0, 1])) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("confidences", "right", "bins", "expected"),
    [
        ([0.9] * 10, [1] * 9 + [0], 15, 0),
        ([1.0, 1.0], [1, 0], 15, 0.5),
        # Three of .9, two of them right, and one of .6 that is wrong.
        ([0.9, 0.9, 0.9, 0.6], [1, 1, 0, 0], 15, 0.75 * (0.9 - 2 / 3) + 0.25 * 0.6),
        # In one bin errors of both signs cancel, in two they do not.
        ([0.9, 0.7], [0, 1], 1, 0.3),
        ([0.9, 0.7], [0, 1], 15, (0.9 + 0.3) / 2),
        # A bin has its upper end: .6 is in (.4, .6].
        ([0.6, 0.55], [1, 0], 5, abs(1 - 0.6 - 0.55) / 2),
    ],
)
def test_the_calibration_error_by_hand(confidences, right, bins, expected):
    found = np.array([[p, 1 - p] for p in confidences])
    labels = 1 - np.array(right)
    assert calibration_error(found, labels, bins) == pytest.approx(expected, abs=1e-12)


def test_a_temperature_mends_the_error_of_logits_that_are_too_sure():
    logits, labels = drawn(3)
    value = fit_temperature(logits, labels).value
    before, after = (calibration_error(probabilities(logits, t), labels) for t in (1, value))
    assert before > 0.1
    assert after < 0.02
