"""Learning rate as a function of the share of the samples that training has seen."""

import math
from collections.abc import Callable

Schedule = Callable[[float], float]


def constant(progress: float) -> float:
    """Return 1, stage 1's factor: a constant large rate keeps a network from fitting noise."""
    return 1.0


def linear(progress: float) -> float:
    """Return a factor that falls from 1 to 0 on a straight line."""
    return 1.0 - progress


def cosine(progress: float) -> float:
    """Return a factor that falls from 1 to 0 on half a cosine (Loshchilov, Hutter, 2017)."""
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def step(progress: float) -> float:
    """Return 1, divided by ten at one half and again at three quarters."""
    return 0.1 ** ((progress >= 0.5) + (progress >= 0.75))


SCHEDULES: dict[str, Schedule] = {f.__name__: f for f in (constant, linear, cosine, step)}


def constant_then(decay: Schedule, constant_share: float, decay_rate: float) -> Schedule:
    """Return the schedule of a baseline: constant like stage 1, then `decay` like stage 2.

    `decay_rate` is the factor at which the decay starts, relative to the constant rate. A share of
    1 never decays.
    """

    def factor(progress: float) -> float:
        if progress < constant_share or constant_share == 1:
            return 1.0
        return decay_rate * decay((progress - constant_share) / (1.0 - constant_share))

    return factor
