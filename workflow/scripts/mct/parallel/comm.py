"""Messages between ranks; the only module that imports mpi4py.

Owns the topology of calibration (world, group, pair) and the few collectives that training needs.
Communicators are arguments everywhere; an entry point asks for `world()` once.
"""

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray
from torch import Tensor, nn

from mct.base.errors import UserError
from mct.base.partition import block_lengths, form_pairs

Comm = MPI.Intracomm
Request = MPI.Request
AUXILIARY, PRIMARY = 0, 1
SHARED_MEMORY = Path("/dev/shm")
FIRST_PAUSE, LONGEST_PAUSE = 5e-5, 2e-3
"""Seconds between two looks at the flags of shared batches."""


def world() -> Comm:
    """Return the communicator of all ranks of this job; for entry points only."""
    return MPI.COMM_WORLD


def check_world_size(world_comm: Comm, expected: int) -> None:
    """Raise UserError unless the job has the number of ranks that its rule asked for.

    A launcher that does not fit the MPI library starts that many jobs of one rank instead, and
    some start too few; both would give wrong results silently.
    """
    if world_comm.size != expected:
        raise UserError(
            f"rank {world_comm.rank}: expected {expected} MPI ranks, got {world_comm.size}; "
            "the launcher (mpiexec or srun) must belong to the MPI that mpi4py uses; "
            "in Slurm jobs execution.srun_mpi names srun's --mpi"
        )


def local_rank(world_comm: Comm) -> int:
    """Return this rank's number among those of its node. Collective."""
    node_comm = world_comm.Split_type(MPI.COMM_TYPE_SHARED)
    rank = node_comm.rank
    node_comm.Free()
    return rank


@dataclass(frozen=True, kw_only=True)
class Topology:
    """The communicators of a calibration job of 2R ranks.

    `group_comm` holds the R ranks of one model, `pair_comm` the two ranks that train on the same
    local batch (rank 0 is Ma's). `roles`, `indices` and `hosts` give every world rank's role (0 Ma,
    1 Mp), pair and node. Free it with `free`, which is collective.
    """

    world_comm: Comm
    group_comm: Comm
    pair_comm: Comm
    roles: tuple[int, ...]
    indices: tuple[int, ...]
    hosts: tuple[str, ...]

    @property
    def pair_hosts(self) -> list[list[str]]:
        """Return for each pair the nodes of its two ranks, Ma's first."""
        places = {
            (index, role): host
            for role, index, host in zip(self.roles, self.indices, self.hosts, strict=True)
        }
        return [[places[index, AUXILIARY], places[index, PRIMARY]] for index in range(self.pairs)]

    @property
    def role(self) -> int:
        """0 for Ma, 1 for Mp."""
        return self.roles[self.world_comm.rank]

    @property
    def pairs(self) -> int:
        """Return the number R of pairs."""
        return self.group_comm.size

    def free(self) -> None:
        """Free the communicators that `split_world` made. Collective."""
        self.pair_comm.Free()
        self.group_comm.Free()


def split_world(world_comm: Comm) -> Topology:
    """Split a world of 2R ranks in two groups and R pairs; pairs share a node. Collective.

    Only where a node holds an odd number of ranks does a pair reach across nodes.
    """
    node_comm = world_comm.Split_type(MPI.COMM_TYPE_SHARED)
    node = node_comm.allreduce(world_comm.rank, op=MPI.MIN)
    node_comm.Free()
    places = {
        rank: (role, index)
        for index, pair in enumerate(form_pairs(world_comm.allgather(node)))
        for role, rank in enumerate(pair)
    }
    role, index = places[world_comm.rank]
    return Topology(
        world_comm=world_comm,
        group_comm=Comm(world_comm.Split(role, key=index)),
        pair_comm=Comm(world_comm.Split(index, key=role)),
        roles=tuple(places[rank][0] for rank in range(world_comm.size)),
        indices=tuple(places[rank][1] for rank in range(world_comm.size)),
        hosts=tuple(world_comm.allgather(host_name())),
    )


def start_gather(
    topology: Topology, confidence: NDArray[np.float32], batch: int
) -> tuple[Request, NDArray[np.float32]]:
    """Start to gather both models' confidences of the whole global batch. Collective.

    Parameters
    ----------
    confidence
        This rank's model's confidences in its block, contiguous float32 of shape (b,).
    batch
        Samples in the global batch; blocks are those of `partition.block`.

    Returns
    -------
    A request, and the array of shape (2, batch) that is complete when the request is.
    """
    lengths = block_lengths(batch, topology.pairs)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).tolist()
    counts = [lengths[index] for index in topology.indices]
    places = [
        role * batch + starts[index]
        for role, index in zip(topology.roles, topology.indices, strict=True)
    ]
    both = np.empty((2, batch), confidence.dtype)
    return topology.world_comm.Iallgatherv(confidence, [both, (counts, places)]), both


def gather_blocks(comm: Comm, values: NDArray[Any], batch: int) -> NDArray[Any]:
    """Return the values of all samples of a global batch, shape (batch,), from the ranks' blocks.

    Collective. `values` (b,) is contiguous; blocks are those of `partition.block`.
    """
    everyone = np.empty(batch, values.dtype)
    comm.Allgatherv(values, [everyone, block_lengths(batch, comm.size)])
    return everyone


def share_logits(topology: Topology, logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return Ma's logits of the pair's block, shape (b, K), on both ranks. Collective in the pair."""
    teacher = (
        np.ascontiguousarray(logits)
        if topology.role == AUXILIARY
        else np.empty_like(logits, order="C")
    )
    topology.pair_comm.Bcast(teacher, root=AUXILIARY)
    return teacher


def share_predictions(topology: Topology, own: NDArray[Any]) -> NDArray[Any]:
    """Return both models' predictions of the pair's block, shape (2, b, K), Ma's first.

    Collective in the pair. `own` (b, K) are this rank's model's.
    """
    both = np.empty((2, *own.shape), own.dtype)
    topology.pair_comm.Allgather(np.ascontiguousarray(own), both)
    return both


def start_sum(comm: Comm, buffer: NDArray[Any]) -> Request:
    """Start to sum `buffer` over all ranks in place; wait for the request before using it.

    Collective: every rank starts its sums in the same order.
    """
    return comm.Iallreduce(MPI.IN_PLACE, buffer, op=MPI.SUM)


def are_done(requests: Sequence[Request]) -> bool:
    """Return whether all requests are complete, without waiting; lets MPI move its messages."""
    return MPI.Request.Testall(list(requests))


def wait_for(requests: Sequence[Request]) -> None:
    """Wait until all requests are complete."""
    MPI.Request.Waitall(list(requests))


def host_name() -> str:
    """Return the name of this rank's node."""
    return MPI.Get_processor_name()


def sum_array(comm: Comm, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of an array over all ranks. Collective."""
    total = np.empty_like(values)
    comm.Allreduce(np.ascontiguousarray(values), total, op=MPI.SUM)
    return total


def highest(comm: Comm, value: int) -> int:
    """Return the largest of all ranks' values. Collective."""
    return comm.allreduce(value, op=MPI.MAX)


def slowest(comm: Comm, seconds: float) -> float:
    """Return the longest of all ranks' times. Collective."""
    return comm.allreduce(seconds, op=MPI.MAX)


def count_cores(comm: Comm) -> int:
    """Return how many cores all ranks may use, each counted once. Collective."""
    cores = [(host_name(), core) for core in os.sched_getaffinity(0)]
    return len({core for part in comm.allgather(cores) for core in part})


def gather_arrays(comm: Comm, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return on rank 0 each array of all ranks with a leading axis of ranks, elsewhere nothing.

    Collective. For small arrays: they travel as objects.
    """
    parts = comm.gather(arrays, root=0) or []
    return {name: np.stack([part[name] for part in parts]) for name in arrays if parts}


def average_running_statistics(comm: Comm, model: nn.Module, *, has_seen: bool) -> None:
    """Replace the running statistics of norms by their mean over ranks, in place. Collective.

    Each rank's norms saw only its own blocks; parameters are equal on all ranks already. A rank all
    of whose blocks were empty has seen nothing (`has_seen`) and has no part in the mean; where no
    rank has seen anything they stay as they are.
    """
    count = comm.allreduce(int(has_seen))
    for statistic in running_statistics(model) if count else []:
        own = statistic.detach().double().cpu().numpy()
        mean = sum_array(comm, own if has_seen else np.zeros_like(own)) / count
        statistic.copy_(statistic.new_tensor(mean))


def running_statistics(model: nn.Module) -> list[Tensor]:
    """Return a model's floating-point buffers: running means and variances."""
    return [buffer for buffer in model.buffers() if buffer.is_floating_point()]


def tracked_batches(model: nn.Module) -> int:
    """Return how many batches a model's norms have seen; 0 without norms."""
    named = model.named_buffers()
    counts = [int(count) for name, count in named if name.endswith("num_batches_tracked")]
    return max(counts, default=0)


class PairBuffers:
    """Batches that the two ranks of a pair fill together, in memory that both see.

    The buffers of `loading` (see `data.buffers.Buffers`) for pairs that share a node. A shared window
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
        """End waiting, now and from now on, in an error."""
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
