"""Schedules of learning rates: how the rate goes over a training, as pure functions of progress.

Progress is the share of a training's samples that the steps before have seen, 0 to below 1. So a rate
depends on nothing that a checkpoint would have to keep, and is the same on any number of ranks.

A schedule is a word, which names a shape, or a list of phases (`Phase`). Either becomes a `Course`: a row
of `Cycle`s, each of which follows a shape once. Words and phases are described in docs/large_batches.md.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import NamedTuple

from mct.base.errors import UserError
from mct.learning.settings import OptimizerSettings, Phase, Schedule

Shape = Callable[[float], float]
"""How far a rate is from its start (1) to zero, by progress."""
BASE_BATCH = 256
"""Samples of the global batch that scaled learning rates are given for (Goyal et al., 2017)."""
SHARES_TOLERANCE = Fraction(1, 1000)
"""How far the shares of phases may be from 1 in total, since they are rounded by hand."""


def constant(progress: float) -> float:
    """Return 1, stage 1's factor: a constant large rate keeps a network from fitting noise."""
    return 1.0


def linear(progress: float) -> float:
    """Return a factor that falls from 1 to 0 on a straight line."""
    return 1.0 - progress


def polynomial(progress: float, power: float = 2.0) -> float:
    """Return (1 - progress)^power, which falls from 1 to 0, slowly at its end."""
    return (1.0 - progress) ** power


def cosine(progress: float) -> float:
    """Return a factor that falls from 1 to 0 on half a cosine (Loshchilov, Hutter, 2017, Eq. 5)."""
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def step(progress: float) -> float:
    """Return 1, divided by ten at one half and again at three quarters."""
    return 0.1 ** ((progress >= 0.5) + (progress >= 0.75))


SHAPES: dict[str, Shape] = {f.__name__: f for f in (constant, linear, polynomial, cosine, step)}


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """One way through a shape, from progress `start` to `stop` of a training.

    The rate rises on a straight line in the first part, `warmup`, of the cycle, from `warmup_from`
    times `rate` to `rate` (Goyal et al., 2017, section 2.2). Then it follows the shape as far as
    `cut_at`. `rate` and `weight_decay` multiply the training's own. An empty `augmentation` is the
    configured one.
    """

    start: float = 0.0
    stop: float = 1.0
    shape: Shape
    rate: float = 1.0
    cut_at: float = 1.0
    warmup: float = 0.0
    warmup_from: float = 0.1
    weight_decay: float = 1.0
    augmentation: str = ""

    def factor(self, progress: float) -> float:
        """Return what the training's learning rate is multiplied with."""
        passed = (progress - self.start) / (self.stop - self.start)
        if passed < self.warmup:
            return self.rate * (self.warmup_from + (1.0 - self.warmup_from) * passed / self.warmup)
        after = (passed - self.warmup) / (1.0 - self.warmup)
        return self.rate * self.shape(self.cut_at * after)

    @property
    def warm(self) -> float:
        """The progress at which the warm-up is over."""
        return self.start + self.warmup * (self.stop - self.start)


@dataclass(frozen=True)
class Course:
    """The cycles of a whole training, one after the other, from progress 0 to 1."""

    cycles: tuple[Cycle, ...]

    @classmethod
    def of(cls, schedule: "Shape | Course") -> "Course":
        """Return a shape that a whole training follows as a course of one cycle."""
        return schedule if isinstance(schedule, Course) else cls((Cycle(shape=schedule),))

    def __call__(self, progress: float) -> float:
        """Return what the training's learning rate is multiplied with."""
        return self.at(progress).factor(progress)

    def at(self, progress: float) -> Cycle:
        """Return the cycle that holds at some progress; at 1 the last."""
        place = bisect_right(self.cycles, progress, key=lambda cycle: cycle.stop)
        return self.cycles[min(place, len(self.cycles) - 1)]


class Part(NamedTuple):
    """A part of a training that has a schedule of its own, on so many samples.

    `rate` is what the training's learning rate is multiplied with in it.
    """

    schedule: Schedule
    samples: int
    rate: float = 1.0


def make_course(*parts: Part) -> Course:
    """Return the course of a training that consists of parts; cycles without samples are left out."""
    total, before, cycles = sum(part.samples for part in parts), 0, []
    for part in parts:
        edges, passed = [before], Fraction(0)
        laid_out = list(lay_out(part.schedule))
        for share, _ in laid_out:
            passed += share
            edges.append(before + round(part.samples * passed))
        before += part.samples
        cycles += [
            replace(cycle, start=start / total, stop=stop / total, rate=part.rate * cycle.rate)
            for (_, cycle), start, stop in zip(laid_out, edges[:-1], edges[1:], strict=True)
            if start < stop
        ]
    return Course(tuple(cycles))


def lay_out(schedule: Schedule) -> Iterator[tuple[Fraction, Cycle]]:
    """Yield the cycles of a schedule with the share of its samples that each has; these sum to 1.

    Cycle k of a phase is longer by `cycle_length_factor`^k (T_mult: Loshchilov, Hutter, 2017), and
    its rate higher by `cycle_rate_factor`^k.
    """
    if isinstance(schedule, str):
        yield Fraction(1), Cycle(shape=SHAPES[schedule])
        return
    for phase, share in zip(schedule, phase_shares(schedule), strict=True):
        growth = Fraction(str(phase.cycle_length_factor))
        whole = sum(growth**number for number in range(phase.cycles))
        for number in range(phase.cycles):
            yield (
                share * growth**number / whole,
                _cycle(phase, phase.rate * phase.cycle_rate_factor**number),
            )


def _cycle(phase: Phase, rate: float) -> Cycle:
    shape = SHAPES[phase.shape]
    return Cycle(
        shape=partial(polynomial, power=phase.power) if shape is polynomial else shape,
        rate=rate, cut_at=phase.cut_at, warmup=phase.warmup, warmup_from=phase.warmup_from,
        weight_decay=phase.weight_decay, augmentation=phase.augmentation or "",
    )  # fmt: skip


def phase_shares(phases: Sequence[Phase]) -> list[Fraction]:
    """Return the share of samples of each phase; they sum to 1. UserError where given ones do not."""
    given = [None if phase.share is None else Fraction(str(phase.share)) for phase in phases]
    known = sum(filter(None, given), Fraction(0))
    if left := given.count(None):
        if known >= 1:
            raise UserError(
                f"expected shares below 1 in total, which leaves some to {left} phase"
                f"{'s' * (left > 1)} without a share, got {float(known):g}"
            )
        return [(1 - known) / left if share is None else share for share in given]
    if abs(known - 1) > SHARES_TOLERANCE:
        raise UserError(f"expected shares of phases that are 1 in total, got {float(known):g}")
    return [share / known for share in given if share is not None]


def rate_scale(optimizer: OptimizerSettings) -> float:
    """Return what learning rates are multiplied with for the global batch of a training.

    Linear: batch / 256 (Goyal et al., 2017, section 2.1). Square root: sqrt(batch / 256), which keeps
    the variance of an update (Krizhevsky, 2014, arXiv 1404.5997, section 5).
    """
    ratio = optimizer.batch_size / BASE_BATCH
    return {"none": 1.0, "linear": ratio, "sqrt": math.sqrt(ratio)}[optimizer.rate_scaling]
