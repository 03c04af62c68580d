"""How the learning rates of trainings go, in numbers and as a line of blocks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from mct.base.partition import count_steps
from mct.learning.plan import Plan
from mct.learning.schedules import Cycle
from mct.results.tables import Row

BLOCKS = "▁▂▃▄▅▆▇█"
COLUMNS = 40
"""Of the line of blocks."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """The rates of a training: steps in warm-ups, the highest rate, and the last one."""

    warmup_steps: int
    peak: float
    final: float


def describe(plan: Plan) -> Rates:
    """Return the rates of a plan that has steps.

    No shape rises, so the highest rate is that of a first step of a cycle, or of the first one after
    a warm-up.
    """
    warmups = [
        (_steps_before(plan, cycle.start), _steps_before(plan, cycle.warm))
        for cycle in plan.course.cycles
    ]
    highest = {step for first, warm in warmups for step in (first, max(warm - 1, 0), warm)}
    rates = [_rate_of(plan, step) for step in highest if step < plan.steps]
    steps = sum(warm - first for first, warm in warmups)
    return Rates(warmup_steps=steps, peak=max(rates), final=_rate_of(plan, plan.steps - 1))


def _steps_before(plan: Plan, progress: float) -> int:
    """Return how many steps begin before some progress."""
    seen = math.ceil(round(progress * plan.samples, 6))
    return count_steps(seen, plan.set_size, plan.batch_size)


def _rate_of(plan: Plan, step: int) -> float:
    return plan.rate_at(plan.samples_before(step))


def schedule_rows(plans: Mapping[str, Plan], *, with_line: bool = False) -> list[Row]:
    """Return a row for each training, by its name, that has steps; on request with its line of blocks."""
    return [
        _row(name, plan) | ({"course": blocks(plan)} if with_line else {})
        for name, plan in plans.items()
        if plan.steps
    ]


def _row(name: str, plan: Plan) -> Row:
    rates = describe(plan)
    return {
        "training": name,
        "global batch": str(plan.batch_size),
        "updates": f"{plan.steps:,}",
        "warm-up": f"{rates.warmup_steps:,}",
        "peak rate": f"{rates.peak:.4g}",
        "final rate": f"{rates.final:.4g}",
    }


def blocks(plan: Plan, columns: int = COLUMNS) -> str:
    """Return the course of the rate as a line: the higher a block, the nearer is the rate to its peak."""
    rates = [plan.rate_at(int((place + 0.5) / columns * plan.samples)) for place in range(columns)]
    top = max(rates)
    return "".join(BLOCKS[min(int(len(BLOCKS) * rate / top), len(BLOCKS) - 1)] for rate in rates)


def curve(plan: Plan, points: int = 50) -> tuple[list[float], list[float]]:
    """Return progress and learning rates, `points` in each cycle, close to both of its ends."""
    places = [place for cycle in plan.course.cycles for place in _places(cycle, points)]
    return places, [plan.learning_rate * plan.schedule(place) for place in places]


def _places(cycle: Cycle, points: int) -> list[float]:
    length = cycle.stop - cycle.start
    inner = [cycle.start + length * place / points for place in range(points)]
    return sorted({*inner, cycle.warm, cycle.stop - 1e-6 * length})
