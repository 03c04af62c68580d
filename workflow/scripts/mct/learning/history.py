"""What happened in each step of a training, summed over ranks."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mct.base.files import write_text
from mct.parallel.collectives import sum_array
from mct.parallel.comm import Comm


class History:
    """Named quantities of each step; every rank adds its part, `reduce` sums the parts.

    All quantities are sums over samples, float64 of the given shapes, so that parts add up. `steps`
    has the reduced ones as one array, for a checkpoint.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._shapes = dict(shapes)
        self._pending: list[NDArray[np.float64]] = []
        self.steps = np.zeros((0, sum(int(np.prod(shape)) for shape in shapes.values())))

    def add(self, values: Mapping[str, ArrayLike]) -> None:
        """Append this rank's part of a step."""
        parts = [np.broadcast_to(values[name], each).ravel() for name, each in self._shapes.items()]
        self._pending.append(np.concatenate(parts).astype(np.float64))

    def reduce(self, comm: Comm) -> None:
        """Sum the parts of the steps since the last call over all ranks. Collective."""
        if self._pending:
            steps = sum_array(comm, np.stack(self._pending))
            self.steps, self._pending = np.concatenate([self.steps, steps]), []

    def last_sums(self, comm: Comm, count: int) -> dict[str, NDArray[np.float64]]:
        """Return each quantity summed over the last `count` steps and all ranks. Collective.

        However often they were reduced, and in however many runs of the stage they were made.
        """
        self.reduce(comm)
        steps = self.steps[len(self.steps) - count :]
        return {name: values.sum(axis=0) for name, values in self._split(steps).items()}

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return each quantity with a leading axis of reduced steps."""
        return self._split(self.steps)

    def _split(self, steps: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        widths = [int(np.prod(shape)) for shape in self._shapes.values()]
        columns = np.split(steps, np.cumsum(widths)[:-1], axis=1)
        return {
            name: part.reshape(len(part), *shape)
            for (name, shape), part in zip(self._shapes.items(), columns, strict=True)
        }

    def restore(self, steps: NDArray[np.float64]) -> None:
        """Take the reduced steps of a checkpoint."""
        self.steps, self._pending = steps, []

    def epoch_sums(self, epochs: NDArray[np.integer]) -> dict[str, NDArray[np.float64]]:
        """Return each quantity summed over the steps of each epoch; `epochs` has shape (steps,)."""
        starts = np.flatnonzero(np.diff(epochs, prepend=-1))
        return {name: np.add.reduceat(values, starts) for name, values in self.arrays().items()}


def write_epochs(
    path: Path,
    history: History,
    epochs: NDArray[np.integer],
    summarise: Callable[[Mapping[str, NDArray[np.float64]]], dict[str, float]],
) -> None:
    """Write the figures of every epoch as a TSV file; `epochs` is that of each step, (steps,)."""
    sums = history.epoch_sums(epochs)
    count = len(np.unique(epochs))
    rows = [summarise({name: values[i] for name, values in sums.items()}) for i in range(count)]
    lines = [["epoch", *(rows[0] if rows else [])]]
    lines += [[str(i + 1), *(f"{v:.6g}" for v in row.values())] for i, row in enumerate(rows)]
    write_text(path, "".join("\t".join(line) + "\n" for line in lines))
