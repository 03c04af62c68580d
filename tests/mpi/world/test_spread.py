"""Rows of a set, computed in pieces by any number of ranks, and gone on with after a signal."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mpi4py import MPI
from replicas import noisy_set

from mct.base.errors import StageInterruptedError
from mct.data.imagesets import ImageSet
from mct.learning import spread
from mct.learning.spread import Spread
from mct.stage.settings import ExecutionSettings

PIECE = 5


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "BATCH_SIZE", PIECE)


def open_spread(world: MPI.Intracomm, folder: Path) -> Spread:
    execution = ExecutionSettings(stall_minutes=0)
    folder = folder / "stage" / ("0" * 24)
    if world.rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
    world.Barrier()
    return Spread(SimpleNamespace(world=world, folder=folder, execution=execution))


class Rows:
    """Yields a row of (sample, label) for each picture, and counts the pieces that it yielded."""

    def __init__(self, signalled_after: int | None = None) -> None:
        self.pieces, self._after = 0, signalled_after

    def __call__(self, image_set: ImageSet) -> Iterator[np.ndarray]:
        for start in range(0, len(image_set), PIECE):
            self.pieces += 1
            if self.pieces == self._after:
                os.kill(os.getpid(), signal.SIGUSR1)
            rows = slice(start, start + PIECE)
            columns = [image_set.sample[rows], image_set.label[rows]]
            yield np.stack(columns, axis=1).astype(np.float32)


def test_rows_come_in_the_order_of_the_set_and_nothing_stays(world: MPI.Intracomm, folder: Path):
    images, opened = noisy_set(), open_spread(world, folder)
    for _ in range(2):
        found = opened.rows(images, Rows(), 2)
        expected = np.stack([images.sample, images.label], axis=1) if world.rank == 0 else []
        assert np.array_equal(found, np.reshape(expected, (-1, 2)))
    opened.free()
    world.Barrier()
    assert not list(folder.iterdir())


def test_after_a_signal_on_one_rank_all_stop_and_go_on_where_they_were(
    world: MPI.Intracomm, folder: Path
):
    images = noisy_set()
    stopped = Rows(signalled_after=1 if world.rank == world.size - 1 else None)
    with pytest.raises(StageInterruptedError):
        open_spread(world, folder).rows(images, stopped, 2)
    written = len(list((folder / "stage" / ("0" * 24)).glob("*.npy")))
    world.Barrier()
    again = Rows()
    found = open_spread(world, folder).rows(images, again, 2)
    pieces = -(-len(images) // PIECE)
    assert world.allreduce(again.pieces) == pieces - written
    if world.rank == 0:
        assert np.array_equal(found[:, 0], images.sample)


def test_an_empty_set_has_no_rows(world: MPI.Intracomm, folder: Path):
    nothing = noisy_set().take(np.empty(0, np.int64))
    assert open_spread(world, folder).rows(nothing, Rows(), 2).shape == (0, 2)
