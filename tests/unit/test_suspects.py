"""Suspects by hand: their order, what is measured, and the list that shows them."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from samples import pixel_set, write_labelled

from mct.base.files import write_rows
from mct.data.imagesets import open_set
from mct.labels.judging import Judgement, judge
from mct.results.suspects import (
    COLUMNS,
    FIRST,
    measure_list,
    order_suspects,
    suspect_rows,
)

NAMES = ["cat", "dog", "<b>"]


def judgement() -> tuple[Judgement, np.ndarray]:
    posterior = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.0, 0.1, 0.9], [0.5, 0.4, 0.1]])
    observed = np.array([0, 1, 0, 1])
    return judge(posterior, observed), observed


def test_suspects_are_those_with_a_more_probable_class_most_surely_wrong_first():
    found, observed = judgement()
    assert order_suspects(found, observed).tolist() == [2, 1, 3]


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
    assert measured["average_precision"] == 1
    assert not any(name.startswith("precision_first") for name in measured)
    clean = replace(small_set(), in_clean=np.array([False, True, False, False]))
    assert measure_list(clean, found, order)["precision"] == pytest.approx(1 / 2)


def test_beginnings_of_a_list_are_measured_where_it_is_long_enough():
    assert FIRST == (100, 1000, 10_000)
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
    assert measured["average_precision"] == 1
    late = Judgement(wrong=found.wrong[::-1], proposed=found.proposed, certainty=found.certainty)
    backwards = measure_list(image_set, late, order_suspects(late, image_set.observed))
    assert backwards[f"precision_first_{FIRST[0]}"] == pytest.approx(1 / 2)
    # The k-th wrong label is at place 50 + k.
    expected = np.mean([k / (50 + k) for k in range(1, FIRST[0] + 1)])
    assert backwards["average_precision"] == pytest.approx(expected)


@pytest.mark.parametrize("true", [[-1] * 4, [0, 1, 0, 1]])
def test_nothing_is_measured_without_truth_or_without_wrong_labels(true):
    found, observed = judgement()
    unknown = replace(small_set(), true=np.array(true))
    assert measure_list(unknown, found, order_suspects(found, observed)) == {}


def test_the_list_shows_suspects_in_their_order(tmp_path):
    found, observed = judgement()
    order = order_suspects(found, observed)
    image_set = open_set("noisy", write_labelled(tmp_path, shards=2))
    stored = replace(image_set.take(np.arange(4)), observed=observed)
    rows = suspect_rows(stored, found, order, NAMES)
    assert [row[0] for row in rows] == ["key-2", "key-1", "key-3"]
    write_rows(tmp_path / "list.tsv", COLUMNS, rows)
    lines = [line.split("\t") for line in (tmp_path / "list.tsv").read_text().splitlines()]
    assert lines[0] == list(COLUMNS)
    assert [line[1:4] for line in lines[1:]] == [
        ["cat", "<b>", "1.0000"], ["dog", "<b>", "0.7000"], ["dog", "cat", "0.6000"],
    ]  # fmt: skip


def test_what_stands_in_a_key_or_a_name_does_not_shift_columns(tmp_path):
    row = ('a"b', "tab\there", "c", "1", "1")
    write_rows(tmp_path / "list.tsv", COLUMNS, [row])
    with (tmp_path / "list.tsv").open(newline="") as file:
        assert list(csv.reader(file, delimiter="\t"))[1] == list(row)


def test_an_empty_list_is_a_header(tmp_path):
    write_rows(tmp_path / "list.tsv", COLUMNS, [])
    assert (tmp_path / "list.tsv").read_text() == "\t".join(COLUMNS) + "\n"
