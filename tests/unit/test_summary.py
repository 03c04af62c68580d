"""The page of an experiment, and what weighs classes alike, by hand."""

import re

import numpy as np
import pytest

from mct.results import summary
from mct.results.imbalance import balanced_accuracy, macro_f1, recall_rows, recalls
from mct.results.tables import Run

CONFUSION = [[8, 2, 0], [0, 30, 0], [0, 0, 0]]


def test_a_class_without_pictures_has_no_recall_and_leaves_the_means_alone():
    np.testing.assert_allclose(recalls(CONFUSION), [0.8, 1, np.nan])
    assert balanced_accuracy(CONFUSION) == pytest.approx(0.9)
    assert macro_f1(CONFUSION) == pytest.approx((16 / 18 + 60 / 62) / 2)


def test_a_class_that_is_only_predicted_counts_in_f1():
    assert macro_f1([[8, 2], [0, 0]]) == pytest.approx((16 / 18 + 0) / 2)


def test_recall_of_each_class_is_a_mean_over_runs_of_deployed_models():
    other = [[10, 0, 0], [15, 15, 0], [0, 0, 0]]
    evaluations = {
        Run("mct", 0, 2, "primary"): {"confusion": CONFUSION},
        Run("mct", 1, 2, "primary"): {"confusion": other},
        Run("mct", 1, 2, "auxiliary"): {"confusion": [[0, 10, 0]] * 3},
    }
    rows = recall_rows(evaluations, {"mct": "MCT", "glc": "GLC"}, ["cat", "dog", "elk"])
    assert rows == [
        {"class": "cat", "samples": "10", "MCT": "90.00"},
        {"class": "dog", "samples": "30", "MCT": "75.00"},
        {"class": "elk", "samples": "0", "MCT": ""},
    ]


def test_names_are_shown_as_they_are():
    body = summary.table([{"class": "<b>&", "empty": ""}])
    assert "&lt;b&gt;&amp;" in body and "empty" not in body
    page = summary.page("<x>", "lead", {"A <b>": body, "None": ""})
    assert "<h1>&lt;x&gt;</h1>" in page and "<h2>None" not in page


def test_a_long_table_says_how_many_rows_it_leaves_out():
    rows = [{"n": str(number)} for number in range(summary.MOST_ROWS + 3)]
    body = summary.table(rows)
    assert len(re.findall("<tr>", body)) == summary.MOST_ROWS + 1
    assert "3 more rows" in body


def test_costs_are_sums_over_runs():
    hardware = {"threads_per_rank": 2, "gpu": "", "processor": "P", "precision": "float32"}
    record = {"ranks": 3, "seconds": 1800, "samples_seen": 1000, "hardware": hardware}
    (row,) = summary.cost_rows({"mct/seed0_ranks3": record, "mct/seed1_ranks3": record})
    assert (row["runs"], row["hours"], row["core hours"]) == ("2", "1.000", "6.000")
