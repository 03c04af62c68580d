"""How long the steps of a training take, and with what; no result depends on it."""

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import numpy as np

WARM_UP_STEPS = 5
"""They are not measured: memory is allocated, kernels are chosen, nothing is read ahead yet."""


class Stopwatch:
    """Adds up the `seconds` that pass in its `with` blocks."""

    def __init__(self) -> None:
        self.seconds = self._began = 0.0

    def __enter__(self) -> None:
        self._began = perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += perf_counter() - self._began


class StepTimes:
    """Mean seconds of this process's steps, and of their parts, after those that warm up.

    A step lasts from the end of the one before it to its own end. Its parts: `reading`, which waits for
    its batch; `compute`, with what else is in `working`; `averaging` and `gathering`, which wait for
    other ranks in there; `other` (checkpoints, lines of progress, the agreement of ranks to go on).
    """

    def __init__(self) -> None:
        self.working = Stopwatch()
        self._steps = self._measured_samples = self._planned = self._warm_up = 0

    def begin(self, steps: int, waits: Callable[[], Mapping[str, float]]) -> None:
        """Expect `steps` steps, of which the first 5, or half of them if that is less, warm up.

        `waits` returns the seconds waited so far by part: `reading`, then those within `working`.
        """
        self._planned, self._warm_up = steps, min(WARM_UP_STEPS, steps // 2)
        self._waits = waits
        self._names = list(waits())
        self._first = self._last = self._clocks()

    def end_step(self, samples: int) -> None:
        """Note the end of a step on a global batch of so many samples."""
        self._steps += 1
        if self._steps > self._warm_up:
            self._measured_samples += samples
        if self._steps == self._warm_up:
            self._first = self._last = self._clocks()
        elif self._steps == self._planned:
            self._last = self._clocks()

    def _clocks(self) -> np.ndarray:
        """Return the time, and all seconds that add up."""
        return np.array([perf_counter(), self.working.seconds, *self._waits().values()])

    def summary(self, mean_of_ranks: Callable[[np.ndarray], np.ndarray]) -> dict[str, Any]:
        """Return measured steps, their samples and the mean seconds of a step, for the record.

        `mean_of_ranks` returns the mean of an array over ranks: steps in lockstep are equally long on
        all of them, and parts that are means add up to the total. A stage that had no step left to
        make has no seconds.
        """
        steps = self._steps - self._warm_up
        spent = mean_of_ranks(self._last - self._first)
        found: dict[str, Any] = {"steps": steps, "samples": self._measured_samples}
        return {**found, "seconds": self._parts(*(spent / steps).tolist()) if steps else {}}

    def _parts(self, total: float, working: float, *waited: float) -> dict[str, float]:
        reading, *within = waited
        return {
            "total": total,
            "compute": working - sum(within),
            **dict(zip(self._names, waited, strict=True)),
            "other": total - reading - working,
        }
