"""Batches that the two ranks of a pair fill together, in memory that both see."""

import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from mct.parallel.comm import Comm, Topology

SHARED_MEMORY = Path("/dev/shm")
FIRST_PAUSE, LONGEST_PAUSE = 5e-5, 2e-3
"""Seconds between two looks at the flags."""


class PairBuffers:
    """Batches that the two ranks of a pair fill together, in memory that both see.

    The buffers of `loading` (its `Buffers`) for pairs that share a node. A shared window
    has a slot for each batch in use, and flags: how many batches each rank has written to a slot,
    and how many it is done with. A rank writes to a slot only when both are done with it. No
    collective is called and no message sent, so a reader can be cancelled at any time, alone; the
    flags are looked at from the loader's thread, which needs MPI_THREAD_MULTIPLE.
    """

    parts = 2

    def __init__(self, pair_comm: Comm, slots: int, slot_bytes: int) -> None:
        """Allocate the window. Collective."""
        self.part, self._slots, self._slot_bytes = pair_comm.rank, slots, slot_bytes
        flags = np.zeros((2, self.parts, slots), np.int64)
        count = flags.nbytes + slots * slot_bytes if pair_comm.rank == 0 else 0
        self._window = MPI.Win.Allocate_shared(count, 1, comm=pair_comm)
        memory: NDArray[Any] = np.asarray(self._window.Shared_query(0)[0], np.uint8)
        self._written, self._done = memory[: flags.nbytes].view(np.int64).reshape(flags.shape)
        self._batches = memory[flags.nbytes :]
        self._window.Lock_all(MPI.MODE_NOCHECK)
        self._written[self.part], self._done[self.part] = 0, 0
        self._window.Sync()
        pair_comm.Barrier()
        self._cancelled = threading.Event()
        self._taken = 0

    def take(self, count: int, size: int) -> NDArray[np.uint8]:
        """Return the next slot as an array (count, size, size, 3), when both ranks are done with it.

        This rank is done with it when nothing refers to the array any more.
        """
        slot, generation = self._taken % self._slots, self._taken + 1
        self._wait(lambda: self._done[:, slot].min() > self._taken - self._slots)
        start, shape = slot * self._slot_bytes, (count, size, size, 3)
        batch = self._batches[start : start + int(np.prod(shape))].reshape(shape)
        end = weakref.finalize(batch, self._flag, self._done, slot, generation)
        end.atexit = False
        self._taken = generation
        return batch

    def complete(self) -> None:
        """Say that this rank's part of the slot taken last is written; wait for the other's."""
        slot = (self._taken - 1) % self._slots
        self._flag(self._written, slot, self._taken)
        self._wait(lambda: self._written[:, slot].min() >= self._taken)

    def cancel(self) -> None:
        self._cancelled.set()

    def _flag(self, flags: NDArray[np.int64], slot: int, generation: int) -> None:
        if self._window != MPI.WIN_NULL:
            self._window.Sync()  # what was written or read comes before the flag
            flags[self.part, slot] = generation
            self._window.Sync()

    def _wait(self, is_ready: Callable[[], bool]) -> None:
        pause = FIRST_PAUSE
        self._window.Sync()
        while not is_ready():
            if self._cancelled.is_set():
                raise InterruptedError("waiting for the other rank of the pair was cancelled")
            sleep(pause)
            pause = min(1.5 * pause, LONGEST_PAUSE)
            self._window.Sync()

    def free(self) -> None:
        """Free the window; no batch may be used any more. Collective."""
        self._window.Unlock_all()
        self._written = self._done = self._batches = np.zeros(0, np.uint8)
        self._window.Free()


def share_batches(
    topology: Topology, *, batches: int, batch_bytes: int, threaded: bool
) -> PairBuffers | None:
    """Return buffers that a pair fills together, or None where each rank has to read alone.

    Collective. The two must share a node with room for `batches` of `batch_bytes` each; where a
    thread reads them (`threaded`), MPI must admit calls of several threads.
    """
    pair_comm = topology.pair_comm
    node_comm = pair_comm.Split_type(MPI.COMM_TYPE_SHARED)
    share_node = node_comm.size == pair_comm.size
    node_comm.Free()
    host = topology.hosts[topology.world_comm.rank]
    needed = batches * batch_bytes * topology.hosts.count(host) / 2
    admits_threads = not threaded or MPI.Query_thread() >= MPI.THREAD_MULTIPLE
    can_share = share_node and admits_threads and needed < shared_memory_bytes()
    if not pair_comm.allreduce(can_share, op=MPI.LAND):
        return None
    return PairBuffers(pair_comm, batches, batch_bytes)


def shared_memory_bytes() -> float:
    """Return the room for shared memory on this node; without a file system for it, any."""
    try:
        status = os.statvfs(SHARED_MEMORY)
    except OSError:
        return float("inf")
    return status.f_bavail * status.f_frsize
