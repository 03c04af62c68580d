"""Suspects by hand: posterior, order, what is measured, and the files."""

import base64
import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from samples import pixel_set, write_labelled

from mct.base.errors import UserError
from mct.data.imagesets import open_set
from mct.results.suspects import (
    COLUMNS,
    FIELDS,
    FIRST,
    Judgement,
    Judges,
    join,
    judge,
    judge_set,
    label_posterior,
    measure_list,
    order_suspects,
    read_assumed_confusion,
    read_judgements,
    suspect_rows,
    write_gallery,
    write_judgement,
    write_list,
)

CONFUSION = np.array([[0.8, 0.2, 0.0], [0.1, 0.9, 0.0], [0.0, 0.5, 0.5]])
NAMES = ["cat", "dog", "<b>"]


def test_a_posterior_weighs_predictions_by_how_labels_are_confused():
    predictions = np.array([[0.5, 0.25, 0.25], [0.6, 0.2, 0.2]])
    posterior = label_posterior(predictions, np.array([1, 0]), CONFUSION)
    joint = np.array([[0.5 * 0.2, 0.25 * 0.9, 0.25 * 0.5], [0.6 * 0.8, 0.2 * 0.1, 0.0]])
    np.testing.assert_allclose(posterior, joint / joint.sum(axis=1, keepdims=True))


def test_a_label_that_no_class_can_have_says_nothing():
    predictions = np.array([[0.9, 0.1, 0]])
    np.testing.assert_array_equal(
        label_posterior(predictions, np.array([2]), CONFUSION), predictions
    )


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
    assert not any(name.startswith("precision_first") for name in measured)
    clean = replace(small_set(), in_clean=np.array([False, True, False, False]))
    assert measure_list(clean, found, order)["precision"] == pytest.approx(1 / 2)


def test_beginnings_of_a_list_are_measured_where_it_is_long_enough():
    count = FIRST[0] + 50
    image_set = replace(
        pixel_set(count), observed=np.zeros(count, int), in_clean=np.zeros(count, bool),
        true=(np.arange(count) < FIRST[0]).astype(int),
    )  # fmt: skip
    found = Judgement(
        wrong=np.linspace(1, 0.6, count), proposed=np.ones(count, int), certainty=np.ones(count)
    )
    measured = measure_list(image_set, found, order_suspects(found, image_set.observed))
    assert measured[f"precision_first_{FIRST[0]}"] == 1
    assert measured["precision"] == pytest.approx(FIRST[0] / count)
    assert f"precision_first_{FIRST[1]}" not in measured


class Constant:
    """A model that predicts the same for every picture, given by its logits."""

    def __init__(self, *logits: float) -> None:
        self._logits = np.array(logits, np.float32)

    def predict(self, image_set):
        count = len(image_set)
        shift = (image_set.sample % 5 / 5)[:, None]
        return np.tile(self._logits, (count, 1)) * shift, image_set.label


def test_a_set_is_judged_by_the_mean_of_all_pairs_a_part_at_a_time(monkeypatch):
    pairs = [
        [Constant(2, 0, 1), Constant(0, 1, 0)],
        [Constant(0, 3, 0), Constant(1, 1, 4)],
    ]
    juries = [Judges(pair=pair, confusion=CONFUSION) for pair in pairs]
    image_set = pixel_set(7)
    whole = judge_set(image_set, juries)
    expected = np.mean([judges.posterior(image_set) for judges in juries], axis=0)
    np.testing.assert_allclose(whole.wrong, 1 - expected[np.arange(7), image_set.observed])
    monkeypatch.setattr("mct.results.suspects.PICTURES_AT_A_TIME", 3)
    parts = judge_set(image_set, juries)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    assert len(judge_set(image_set.take(np.arange(0)), juries).wrong) == 0


def test_judgements_of_shards_come_back_in_the_order_of_the_set(tmp_path):
    image_set = pixel_set(5)
    found = Judgement(
        wrong=np.arange(5) / 5, proposed=np.arange(5) % 3, certainty=np.arange(5) / 10
    )
    paths = [tmp_path / name for name in ("0.h5", "1.h5")]
    for path, places in zip(paths, ([4, 1], [0, 2, 3]), strict=True):
        part = Judgement(**{name: getattr(found, name)[places] for name in FIELDS})
        write_judgement(image_set.take(np.array(places)), part, path)
    back = read_judgements(image_set, paths)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(back, name), getattr(found, name))
    with pytest.raises(UserError, match="judgements of other pictures"):
        read_judgements(image_set, paths[:1])
    paths[1].write_bytes(b"no HDF5")
    with pytest.raises(UserError, match=r"1\.h5: cannot be read .* delete it and rerun"):
        read_judgements(image_set, paths)


@pytest.mark.parametrize("true", [[-1] * 4, [0, 1, 0, 1]])
def test_nothing_is_measured_without_truth_or_without_wrong_labels(true):
    found, observed = judgement()
    unknown = replace(small_set(), true=np.array(true))
    assert measure_list(unknown, found, order_suspects(found, observed)) == {}


def test_the_list_and_the_page_show_suspects_in_their_order(tmp_path):
    found, observed = judgement()
    order = order_suspects(found, observed)
    image_set = open_set("noisy", write_labelled(tmp_path, shards=2))
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


def test_what_stands_in_a_key_or_a_name_does_not_shift_columns(tmp_path):
    row = ('a"b', "tab\there", "c", "1", "1")
    write_list([row], tmp_path / "list.tsv")
    with (tmp_path / "list.tsv").open(newline="") as file:
        assert list(csv.reader(file, delimiter="\t"))[1] == list(row)


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
