"""Suspects by hand: posterior, order, what is measured, and the files."""

import base64
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from samples import pixel_set, shard_settings, write_set

from mct.data.imagesets import open_set
from mct.results.suspects import (
    COLUMNS,
    FIRST,
    Judgement,
    join,
    judge,
    label_posterior,
    measure_list,
    order_suspects,
    read_assumed_confusion,
    suspect_rows,
    write_gallery,
    write_list,
)

CONFUSION = np.array([[0.8, 0.2, 0.0], [0.1, 0.9, 0.0], [0.0, 0.5, 0.5]])
NAMES = ["cat", "dog", "<b>"]


def test_a_posterior_weighs_predictions_by_how_labels_are_confused():
    predictions = np.array([[0.5, 0.25, 0.25], [0.6, 0.2, 0.2]])
    posterior = label_posterior(predictions, np.array([1, 0]), CONFUSION)
    joint = np.array([[0.5 * 0.2, 0.25 * 0.9, 0.25 * 0.5], [0.6 * 0.8, 0.2 * 0.1, 0.0]])
    np.testing.assert_allclose(posterior, joint / joint.sum(axis=1, keepdims=True))


def test_a_label_that_no_class_can_have_leaves_no_number_undefined():
    posterior = label_posterior(np.array([[1.0, 0, 0]]), np.array([2]), CONFUSION)
    np.testing.assert_array_equal(posterior, 0)


def judgement() -> tuple[Judgement, np.ndarray]:
    posterior = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.0, 0.1, 0.9], [0.5, 0.4, 0.1]])
    observed = np.array([0, 1, 0, 1])
    return judge(posterior, observed), observed


def test_labels_are_judged_by_the_posterior():
    found, _ = judgement()
    np.testing.assert_allclose(found.wrong, [0.3, 0.7, 1.0, 0.6])
    np.testing.assert_array_equal(found.proposed, [0, 2, 2, 0])
    np.testing.assert_allclose(found.certainty, [0.7, 0.6, 0.9, 0.5])


def test_suspects_are_those_with_a_more_probable_class_most_surely_wrong_first():
    found, observed = judgement()
    assert order_suspects(found, observed).tolist() == [2, 1, 3]


def test_parts_of_a_set_are_joined_in_their_order():
    found, _ = judgement()
    parts = [
        Judgement(
            wrong=found.wrong[part], proposed=found.proposed[part], certainty=found.certainty[part]
        )
        for part in (slice(0, 3), slice(3, 4))
    ]
    for name in ("wrong", "proposed", "certainty"):
        np.testing.assert_array_equal(getattr(join(parts), name), getattr(found, name))


def small_set():
    """Return four pictures: labels 0, 1, 0, 1, of which the second and the third are wrong."""
    return replace(
        pixel_set(4), observed=np.array([0, 1, 0, 1]), true=np.array([0, 2, 1, 1]),
        in_clean=np.zeros(4, bool),
    )  # fmt: skip


def test_a_list_is_measured_on_pictures_whose_truth_nothing_was_trained_on():
    found, observed = judgement()
    order = order_suspects(found, observed)
    measured = measure_list(small_set(), found, order)
    assert measured["precision"] == pytest.approx(2 / 3)
    assert measured["recall"] == 1
    assert measured["proposal_accuracy"] == pytest.approx(1 / 3)
    assert measured["auc"] == 1
    assert measured[f"precision_first_{FIRST[0]}"] == measured["precision"]
    clean = replace(small_set(), in_clean=np.array([False, True, False, False]))
    assert measure_list(clean, found, order)["precision"] == pytest.approx(1 / 2)


@pytest.mark.parametrize("true", [[-1] * 4, [0, 1, 0, 1]])
def test_nothing_is_measured_without_truth_or_without_wrong_labels(true):
    found, observed = judgement()
    unknown = replace(small_set(), true=np.array(true))
    assert measure_list(unknown, found, order_suspects(found, observed)) == {}


def test_the_list_and_the_page_show_suspects_in_their_order(tmp_path):
    found, observed = judgement()
    order = order_suspects(found, observed)
    image_set = open_set("noisy", write_set(tmp_path, "noisy", shard_settings(2)))
    stored = replace(image_set.take(np.arange(4)), observed=observed)
    rows = suspect_rows(stored, found, order, NAMES)
    assert [row[0] for row in rows] == ["key-2", "key-1", "key-3"]
    write_list(rows, tmp_path / "list.tsv")
    lines = [line.split("\t") for line in (tmp_path / "list.tsv").read_text().splitlines()]
    assert lines[0] == list(COLUMNS)
    assert [line[1:4] for line in lines[1:]] == [
        ["cat", "<b>", "1.0000"], ["dog", "<b>", "0.7000"], ["dog", "cat", "0.6000"],
    ]  # fmt: skip
    write_gallery(stored, order, rows, tmp_path / "page.html", "t<")
    page = (tmp_path / "page.html").read_text()
    assert "<h1>t&lt;</h1>" in page
    assert "&lt;b&gt;" in page
    pictures = re.findall(r"base64,([^\"]+)", page)
    assert len(pictures) == 3
    assert all(base64.b64decode(picture).startswith(b"\x89PNG") for picture in pictures)


def test_an_empty_list_is_a_header(tmp_path):
    write_list([], tmp_path / "list.tsv")
    assert (tmp_path / "list.tsv").read_text() == "\t".join(COLUMNS) + "\n"


def test_without_a_counted_confusion_wrong_labels_fall_on_all_classes_alike(tmp_path):
    path = tmp_path / "noise.json"
    path.write_text(json.dumps({"matrix": None, "rate": 0.4}))
    expected = [[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.2, 0.2, 0.6]]
    np.testing.assert_allclose(read_assumed_confusion(path, 3), expected)
    path.write_text(json.dumps({"matrix": CONFUSION.tolist(), "rate": 0.4}))
    np.testing.assert_array_equal(read_assumed_confusion(path, 3), CONFUSION)
