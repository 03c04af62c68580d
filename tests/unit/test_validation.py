"""How often validation pictures are predicted while a training runs, and how many."""

import numpy as np
import pytest

from mct.learning.plan import Plan
from mct.learning.schedules import constant
from mct.learning.validation import Curve, choose_interval, choose_pictures


def plan(set_size: int, epochs: float) -> Plan:
    return Plan(
        samples=round(set_size * epochs), set_size=set_size, batch_size=10, learning_rate=0.1,
        schedule=constant,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("available", "set_size", "count"),
    [(180, 1_000, 180), (5_000, 1_000, 500), (5_000, 20_000, 1_200), (5_000, 10**6, 2_000)],
)
def test_at_least_500_pictures_and_at_most_2000_spread_over_the_set(available, set_size, count):
    places = choose_pictures(available, set_size)
    assert len(places) == count and places[0] == 0 and places[-1] < available
    steps = np.diff(places)
    assert steps.min() >= 1 and steps.max() - steps.min() <= 1


@pytest.mark.parametrize(
    ("set_size", "epochs", "interval"),
    # 500 predictions cost as much as 250 samples of training, 3 % of those of 8,333.
    [(8_400, 40, 1), (4_200, 40, 2), (4_200, 4, 1), (100, 40, 8)],
)
def test_predictions_take_at_most_3_percent_but_a_curve_has_five_points(set_size, epochs, interval):
    assert choose_interval(500, plan(set_size, epochs)) == interval


def test_a_curve_outlasts_a_checkpoint():
    curve = Curve(["a", "b"])
    assert curve.figures(0) == {}
    curve.add(1, [0.5, 0.25])
    again = Curve(["a", "b"])
    again.restore(curve.array())
    assert again.figures(1) == {"a": 0.5, "b": 0.25}
    assert all(np.isnan(value) for value in again.figures(0).values())
    again.restore(Curve(["a", "b"]).array())
    assert again.figures(0) == {}
