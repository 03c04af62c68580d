"""The times of steps: parts add up, warm-up is left out."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from mct.stage import step_times
from mct.stage.step_times import WARM_UP_STEPS, StepTimes, Stopwatch


def alone(spent: np.ndarray) -> np.ndarray:
    """Return the mean over one rank."""
    return spent


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(step_times, "perf_counter", clock)
    return clock


def make_steps(
    clock: Clock, seconds: list[float], planned: int | None = None, more: Callable[[], dict] = dict
) -> StepTimes:
    """Return the times of steps: each reads for a tenth, works for seven, of which one averages."""
    waited = {"reading": 0.0, "averaging": 0.0}
    times = StepTimes()
    times.begin(len(seconds) if planned is None else planned, lambda: {**waited, **more()})
    for each in seconds:
        clock.now += 0.1 * each
        waited["reading"] += 0.1 * each
        with times.working:
            clock.now += 0.7 * each
            waited["averaging"] += 0.1 * each
        clock.now += 0.2 * each
        times.end_step(20)
    return times


def test_the_first_steps_are_left_out_and_parts_are_means(clock):
    found = make_steps(clock, [50.0] * WARM_UP_STEPS + [1.0] * 8 + [3.0] * 2).summary(alone)
    assert (found["steps"], found["samples"]) == (10, 200)
    expected = {"total": 1.4, "compute": 0.84, "reading": 0.14, "averaging": 0.14, "other": 0.28}
    assert found["seconds"] == pytest.approx(expected)
    assert list(found["seconds"]) == list(expected)


def test_parts_add_up_to_the_total_with_gathering(clock):
    times = make_steps(clock, [1.0] * 12, more=lambda: {"gathering": 0.05 * (clock.now - 100)})
    seconds = times.summary(alone)["seconds"]
    assert seconds["gathering"] == pytest.approx(0.05)
    assert seconds["compute"] == pytest.approx(0.55)
    assert sum(seconds.values()) == pytest.approx(2 * seconds["total"])


@pytest.mark.parametrize(("steps", "measured"), [(1, 1), (2, 1), (5, 3), (10, 5), (11, 6)])
def test_a_short_run_warms_up_for_half_of_its_steps(clock, steps, measured):
    found = make_steps(clock, [1.0] * steps).summary(alone)
    assert found["steps"] == measured
    assert found["seconds"]["total"] == pytest.approx(1.0)


def test_ranks_are_averaged(clock):
    """Another rank took three times as long: the mean is twice that of this one."""
    found = make_steps(clock, [1.0] * 12).summary(lambda spent: 2 * spent)
    assert found["steps"] == 7
    assert found["seconds"]["total"] == pytest.approx(2.0)
    assert found["seconds"]["compute"] == pytest.approx(1.2)


def test_a_run_that_had_no_step_left_says_so(clock):
    found = make_steps(clock, []).summary(alone)
    assert found == {"steps": 0, "samples": 0, "seconds": {}}


def test_a_stopwatch_adds_up_its_blocks_and_counts_one_that_fails(clock):
    watch = Stopwatch()
    for seconds in (1.0, 2.5):
        with watch:
            clock.now += seconds
        clock.now += 10
    with pytest.raises(ZeroDivisionError), watch:
        clock.now += 1
        1 / 0  # noqa: B018
    assert watch.seconds == pytest.approx(4.5)
    assert np.isfinite(watch.seconds)
