"""Classes that a selection starves are found, and those that merely have few samples are not."""

import numpy as np
import pytest

from mct.labels.starved import describe_starved, find_starved


@pytest.mark.parametrize(
    ("selected", "members", "starved"),
    [
        ([50, 0, 40], [100, 100, 100], [1]),
        ([50, 1, 40], [100, 100, 100], [1]),
        ([50, 2, 40], [100, 100, 100], []),
        ([500, 1, 0], [1000, 3, 0], []),  # a class with few samples, and one without any
        ([0, 0, 0], [100, 100, 100], []),  # a model that selects nothing is named elsewhere
    ],
)
def test_a_class_is_starved_by_what_is_selected_of_the_others(
    selected: list[int], members: list[int], starved: list[int]
):
    assert find_starved(np.array(selected), np.array(members)) == starved


def test_the_text_names_them():
    assert describe_starved([1, 7]) == "selected next to nothing of observed class 1, 7"
