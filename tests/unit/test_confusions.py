"""Confusion matrices by hand, as counted and from predictions, and their files."""

import json

import numpy as np
import pytest

from mct.base.errors import UserError
from mct.labels.confusions import (
    anchor_predictions,
    counted_matrix,
    invert,
    mean_predictions,
    read_assumed_confusion,
    read_confusion,
)
from mct.labels.synthetic import class_dependent_matrix, corrupt_labels


def test_confusion_is_counted_with_one_more_picture_spread_over_each_row():
    observed, true = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 0, 0, 1])
    # The picture more is (.6, .2, .2) of the first class; there is none of the third.
    expected = [[3.6 / 5, 1.2 / 5, 0.2 / 5], [0.2 / 2, 1.6 / 2, 0.2 / 2], [0.2, 0.2, 0.6]]
    np.testing.assert_allclose(counted_matrix(observed, true, classes=3, rate=0.4), expected)


def test_counted_confusion_comes_close_to_the_one_that_made_the_labels():
    matrix, true = class_dependent_matrix(5, 0.4, seed=2), np.arange(50_000) % 5
    observed = corrupt_labels(true, matrix, seed=1)
    counted = counted_matrix(observed, true, 5, rate=0.4)
    np.testing.assert_allclose(counted.sum(axis=1), 1)
    # Five standard deviations of a share of 10,000.
    np.testing.assert_allclose(counted, matrix, atol=5 * 0.5 / 10_000**0.5)


def test_a_single_class_is_never_confused():
    assert counted_matrix(np.zeros(3, int), np.zeros(3, int), classes=1, rate=0.4) == [[1]]


def test_rows_are_mean_predictions_for_the_pictures_of_a_class():
    probabilities = np.array([[0.5, 0.25, 0.25], [1, 0, 0], [0, 0.5, 0.5]])
    matrix = mean_predictions(probabilities, np.array([0, 0, 1]))
    # No picture is of class 2: it counts as labelled right.
    np.testing.assert_allclose(matrix, [[0.75, 0.125, 0.125], [0, 0.5, 0.5], [0, 0, 1]])


def test_an_anchor_is_a_certain_prediction_but_not_the_most_certain():
    """Of 100 predictions of each class, the 97th by certainty."""
    certain = np.linspace(0, 1, 200)
    probabilities = np.stack([certain, 1 - certain], axis=1)
    expected = [[certain[196], 1 - certain[196]], [certain[3], 1 - certain[3]]]
    before = probabilities.copy()
    np.testing.assert_allclose(anchor_predictions(probabilities), expected)
    np.testing.assert_array_equal(probabilities, before)


@pytest.mark.parametrize("classes", [10, 34, 101])
def test_every_class_has_an_anchor_of_its_own_however_many_there_are(classes):
    """Of a class with less than 3 % of the pictures all lie above the 97th percentile of all."""
    true = np.repeat(np.arange(classes), 40)
    probabilities = np.full((len(true), classes), 0.4 / (classes - 1))
    probabilities[np.arange(len(true)), true] = 0.6
    np.testing.assert_allclose(anchor_predictions(probabilities).diagonal(), 0.6)


def test_no_label_is_impossible_by_an_anchor():
    matrix = anchor_predictions(np.array([[1, 0, 0], [0, 1, 0], [0.5, 0.5, 0]], np.float32))
    assert (matrix > 0).all()


def test_equal_predictions_have_an_anchor_all_the_same():
    matrix = anchor_predictions(np.full((5, 2), 0.5, np.float32))
    np.testing.assert_array_equal(matrix, np.full((2, 2), 0.5))


def test_a_matrix_is_read_from_a_noise_file_or_refused_with_what_to_do(tmp_path):
    path = tmp_path / "noise.json"
    path.write_text(json.dumps({"rate": 0.4, "matrix": [[1, 0], [0.5, 0.5]]}))
    np.testing.assert_array_equal(read_confusion(path), [[1, 0], [0.5, 0.5]])
    path.write_text(json.dumps({"matrix": None, "unavailable": {"solved": "Ma diverged"}}))
    with pytest.raises(UserError, match="no solved confusion: Ma diverged; set this method's key"):
        read_confusion(path)
    path.write_text(json.dumps({"rate": 0.4, "matrix": None}))
    with pytest.raises(UserError, match=r"noise\.json: no counted confusion.*`estimated`"):
        read_confusion(path)


def test_a_matrix_without_an_inverse_is_refused():
    matrix = np.array([[0.75, 0.25], [0.5, 0.5]])
    np.testing.assert_allclose(invert(matrix) @ matrix, np.eye(2), atol=1e-12)
    with pytest.raises(UserError, match="two classes are labelled alike"):
        invert(np.full((2, 2), 0.5))


def test_without_a_counted_confusion_wrong_labels_fall_on_all_classes_alike(tmp_path):
    path = tmp_path / "noise.json"
    path.write_text(json.dumps({"matrix": None, "rate": 0.4}))
    expected = [[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.2, 0.2, 0.6]]
    np.testing.assert_allclose(read_assumed_confusion(path, 3), expected)
    path.write_text(json.dumps({"matrix": [[0.8, 0.2], [0.1, 0.9]], "rate": 0.4}))
    np.testing.assert_array_equal(read_assumed_confusion(path, 2), [[0.8, 0.2], [0.1, 0.9]])
