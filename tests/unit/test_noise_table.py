"""The table of noise rates: what is given, measured and true, and what there is none of."""

from dataclasses import asdict

import numpy as np

from mct.labels.noise import count_rate, given_rate
from mct.results.noise_table import noise_rows

CLASSES = ["cat", "dog"]
COUNTED = asdict(count_rate(np.array([0, 0, 0, 0]), np.array([True, False, False, False]), 2))
SOLVED = {
    "method": "solved", "rate": 0.3, "class_rates": [0.25, None], "samples": 7,
    "class_samples": [7, 0],
}  # fmt: skip
MODELS = {"estimates": [SOLVED], "unavailable": {"confident_joint": "Ma diverged"}}


def table(configured: dict, **models: object) -> list[tuple[str, ...]]:
    rows = noise_rows(configured, {**MODELS, "truth": None, **models}, CLASSES)
    assert len({tuple(row) for row in rows}) == 1
    return [tuple(row.values()) for row in rows]


def test_a_counted_rate_has_its_interval_and_so_has_each_class():
    lower, upper = (f"{100 * COUNTED[name]:.2f}" for name in ("lower", "upper"))
    counted = ("Counted on verified labels", "measured")
    solved = ("Solved with Ma's confusion", "measured")
    assert table(COUNTED) == [
        ("all", *counted, "25.00", lower, upper, "4", ""),
        ("all", *solved, "30.00", "", "", "7", ""),
        ("all", "Confident joint of Ma", "measured", "", "", "", "", "Ma diverged"),
        ("cat", *counted, "25.00", lower, upper, "4", ""),
        ("cat", *solved, "25.00", "", "", "7", ""),
        # Nobody observed a dog.
        ("dog", *counted, "", "", "", "", ""),
        ("dog", *solved, "", "", "", "", ""),
    ]


def test_a_given_rate_has_one_row_and_the_truth_its_own():
    truth = {**COUNTED, "method": "truth"}
    rows = table(asdict(given_rate(0.4, 2)), truth=truth, unavailable={})
    assert rows[0] == ("all", "Given", "given", "40.00", "", "", "", "")
    assert rows[2] == ("all", "True labels", "truth", "25.00", "", "", "4", "")
    assert [row[:3] for row in rows[3:]] == [
        (name, *kind)
        for name in CLASSES
        for kind in (("Solved with Ma's confusion", "measured"), ("True labels", "truth"))
    ]
