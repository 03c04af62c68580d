"""The comparison of rankings of suspects on labels whose truth is known."""

import numpy as np
import pytest

from benchmarks.suspects.compare_rankings import find_truth, rank_rows


class Noisy:
    def keys(self) -> np.ndarray:
        return np.array([b"a.jpg", b"b.jpg", b"c.jpg"])


def test_the_first_of_a_ranking_are_the_lowest_scores():
    wrong = np.zeros(200, bool)
    wrong[:50] = True
    rows = rank_rows({"right": np.arange(200.0), "reversed": -np.arange(200.0)}, wrong)
    assert [row["first_100"] for row in rows] == ["50.0", "0.0"]
    assert [row["first_1000"] for row in rows] == ["", ""]
    assert rows[0]["average_precision"] == "100.00"
    # The k-th wrong label of the reversed list is at place 150 + k: the mean of k / (150 + k).
    expected = 100 * np.mean([k / (150 + k) for k in range(1, 51)])
    assert float(rows[1]["average_precision"]) == pytest.approx(expected, abs=0.005)


def test_only_pictures_whose_truth_is_known_are_ranked():
    known, true = find_truth(Noisy(), {"c.jpg": 4, "a.jpg": 0, "d.jpg": 1})
    assert known.tolist() == [True, False, True]
    assert true.tolist() == [0, 4]
