"""What a model makes of a set, computed by ranks in pieces that outlast an interruption.

A piece is a batch of pictures, whatever the number of ranks, so results have the same bits on any.
"""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mct.base.errors import StageInterruptedError
from mct.base.files import replacing
from mct.base.partition import Share
from mct.data.imagesets import ImageSet
from mct.learning.prediction import BATCH_SIZE, Predictor
from mct.learning.settings import EvaluationSettings
from mct.parallel.comm import highest
from mct.stage.attempts import Attempts
from mct.stage.checkpoint import remove_stage
from mct.stage.session import Session
from mct.stage.watch import Interruption

Rows = NDArray[np.float32]
Piece = tuple[Path, slice]
"""A file, and the rows of the set that it has."""


class Spread:
    """Computes rows of sets on all ranks of a session, which call the same methods."""

    def __init__(self, session: Session) -> None:
        self._session, self._comm, self._folder = session, session.world, session.folder
        self._threads = session.execution.threads_per_rank
        self._asked = 0
        self._interruption = Interruption(session.execution.stall_minutes)

    def open(self, weights: Path, settings: EvaluationSettings, classes: int) -> Predictor:
        """Return a model that computes where this rank does."""
        session = self._session
        return Predictor(weights, settings, classes, session.execution, session.compute)

    def logits(self, model: Predictor, image_set: ImageSet) -> Rows:
        """Return a model's logits of a set, as `rows`."""
        return self.rows(image_set, model.logits, image_set.classes)

    def features(self, model: Predictor, image_set: ImageSet) -> Rows:
        """Return a model's features of a set, as `rows`, in a file that memory maps until `free`."""
        path = self._folder / f"features{self._asked}.npy"
        return self.rows(image_set, model.features, model.feature_width, path)

    def rows(
        self,
        image_set: ImageSet,
        compute: Callable[[ImageSet], Iterator[Rows]],
        width: int,
        file: Path | None = None,
    ) -> Rows:
        """Return what `compute` makes of a set, shape (n, width), on rank 0; elsewhere no rows.

        With `file` they lie there, and may be changed. Collective, see `pieces`.
        """
        pieces, start = self.pieces(image_set, compute), 0
        shape = (0 if self._comm.rank else len(image_set), width)
        if file and all(shape):
            found: Rows = np.lib.format.open_memmap(file, "w+", np.float32, shape)
        else:
            found = np.empty(shape, np.float32)
        for piece in pieces:
            found[start : start + len(piece)] = piece
            start += len(piece)
        return found

    def pieces(
        self, image_set: ImageSet, compute: Callable[[ImageSet], Iterator[Rows]]
    ) -> Iterator[Rows]:
        """Return the batches that `compute` yields of a set, one after the other, on rank 0; elsewhere none.

        Collective; a job asks for its pieces always in the same order. Raises StageInterruptedError
        after a signal, on all ranks.
        """
        name, self._asked = f"rows{self._asked}", self._asked + 1
        pieces = [
            (self._file(name, start), slice(start, min(start + BATCH_SIZE, len(image_set))))
            for start in range(0, len(image_set), BATCH_SIZE)
        ]
        self._write(self._left(pieces), image_set, compute)
        return (np.load(file) for file, _ in pieces) if self._comm.rank == 0 else iter(())

    def _file(self, name: str, start: int) -> Path:
        return self._folder / f"{name}-threads{self._threads}-{start:012d}.npy"

    def _left(self, pieces: list[Piece]) -> list[Piece]:
        """Return this rank's part of what no earlier attempt has written."""
        done = None
        if self._comm.rank == 0:
            done = {path.name for path in self._folder.glob("*.npy")}
            Attempts.of_this_job().start_at(len(done))
        done = self._comm.bcast(done)
        left = [(file, part) for file, part in pieces if file.name not in done]
        return left[Share(ranks=self._comm.size, rank=self._comm.rank).block(len(left))]

    def _write(
        self,
        pieces: list[Piece],
        image_set: ImageSet,
        compute: Callable[[ImageSet], Iterator[Rows]],
    ) -> None:
        """Write pieces until a signal comes, and wait for the other ranks."""
        positions = [np.arange(part.start, part.stop) for _, part in pieces]
        batches = compute(image_set.take(np.concatenate([np.empty(0, np.int64), *positions])))
        for file, _ in pieces:
            if self._interruption.signal is not None:
                break
            with replacing(file) as temporary, temporary.open("wb") as opened:
                np.save(opened, next(batches))
            self._interruption.note_progress()
        if stop := highest(self._comm, float(self._interruption.signal or 0)):
            self._interruption.agree()
            if self._comm.rank == 0:
                is_limit = int(stop) == signal.SIGUSR1
                Attempts.of_this_job().interrupt("SIGUSR1" if is_limit else "SIGTERM")
            raise StageInterruptedError("stopped by a signal; run again to go on")

    def free(self) -> None:
        """Remove the pieces, which the result holds now. Collective."""
        remove_stage(self._comm, self._folder.parent)
