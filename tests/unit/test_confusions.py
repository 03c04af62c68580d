"""Confusion matrices from predictions by hand, and their files."""

import json

import numpy as np
import pytest

from mct.base.errors import UserError
from mct.labels.confusions import anchor_predictions, invert, mean_predictions, read_confusion


def test_rows_are_mean_predictions_for_the_pictures_of_a_class():
    probabilities = np.array([[0.5, 0.25, 0.25], [1, 0, 0], [0, 0.5, 0.5]])
    matrix = mean_predictions(probabilities, np.array([0, 0, 1]))
    # No picture is of class 2: it counts as labelled right.
    np.testing.assert_allclose(matrix, [[0.75, 0.125, 0.125], [0, 0.5, 0.5], [0, 0, 1]])


def test_an_anchor_is_the_most_certain_prediction_below_the_percentile():
    """Of 100 predictions the three most certain ones of each class are outliers."""
    certain = np.linspace(0, 1, 100)
    probabilities = np.stack([certain, 1 - certain], axis=1)
    limit = np.percentile(certain, 97)
    anchor = certain[certain < limit].max()
    expected = [[anchor, 1 - anchor], [1 - anchor, anchor]]
    before = probabilities.copy()
    np.testing.assert_allclose(anchor_predictions(probabilities), expected)
    np.testing.assert_array_equal(probabilities, before)


def test_equal_predictions_have_an_anchor_all_the_same():
    matrix = anchor_predictions(np.full((5, 2), 0.5, np.float32))
    np.testing.assert_array_equal(matrix, np.full((2, 2), 0.5))


def test_a_matrix_is_read_from_a_noise_file_or_refused_with_what_to_do(tmp_path):
    path = tmp_path / "noise.json"
    path.write_text(json.dumps({"rate": 0.4, "matrix": [[1, 0], [0.5, 0.5]]}))
    np.testing.assert_array_equal(read_confusion(path), [[1, 0], [0.5, 0.5]])
    path.write_text(json.dumps({"rate": 0.4, "matrix": None}))
    with pytest.raises(UserError, match=r"noise\.json: no counted confusion.*`estimated`"):
        read_confusion(path)


def test_a_matrix_without_an_inverse_is_refused():
    matrix = np.array([[0.75, 0.25], [0.5, 0.5]])
    np.testing.assert_allclose(invert(matrix) @ matrix, np.eye(2), atol=1e-12)
    with pytest.raises(UserError, match="two classes are labelled alike"):
        invert(np.full((2, 2), 0.5))
