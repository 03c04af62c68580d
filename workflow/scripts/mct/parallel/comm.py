"""Communicators, the topology of calibration (world, group, pair), and collectives that training needs.

Communicators are arguments everywhere; an entry point asks for `world()` once.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from mct.base.errors import UserError
from mct.base.partition import block_lengths, form_pairs
from mct.base.roles import ROLES, Role

Comm = MPI.Intracomm
Request = MPI.Request


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
    """Return this rank's number on its node. Collective."""
    node_comm = world_comm.Split_type(MPI.COMM_TYPE_SHARED)
    rank = node_comm.rank
    node_comm.Free()
    return rank


@dataclass(frozen=True, kw_only=True)
class Topology:
    """The communicators of a calibration job of 2R ranks.

    `group_comm` holds the R ranks of one model, `pair_comm` the two ranks that train on the same
    local batch (rank 0 is Ma's). `roles`, `indices` and `hosts` give every world rank's role, pair
    and node. Free it with `free`, which is collective.
    """

    world_comm: Comm
    group_comm: Comm
    pair_comm: Comm
    roles: tuple[Role, ...]
    indices: tuple[int, ...]
    hosts: tuple[str, ...]

    @property
    def pair_hosts(self) -> list[list[str]]:
        """Return for each pair the nodes of its two ranks, Ma's first."""
        places = {
            (index, role): host
            for role, index, host in zip(self.roles, self.indices, self.hosts, strict=True)
        }
        return [[places[index, role] for role in ROLES] for index in range(self.pairs)]

    @property
    def role(self) -> Role:
        """The model that this rank trains."""
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
    """Split a world of 2R ranks into two groups and R pairs, as `form_pairs` does. Collective."""
    node_comm = world_comm.Split_type(MPI.COMM_TYPE_SHARED)
    node = node_comm.allreduce(world_comm.rank, op=MPI.MIN)
    node_comm.Free()
    places = {
        rank: (role, index)
        for index, pair in enumerate(form_pairs(world_comm.allgather(node)))
        for role, rank in zip(ROLES, pair, strict=True)
    }
    role, index = places[world_comm.rank]
    return Topology(
        world_comm=world_comm,
        group_comm=Comm(world_comm.Split(role.place, key=index)),
        pair_comm=Comm(world_comm.Split(index, key=role.place)),
        roles=tuple(places[rank][0] for rank in range(world_comm.size)),
        indices=tuple(places[rank][1] for rank in range(world_comm.size)),
        hosts=tuple(world_comm.allgather(host_name())),
    )


def host_name() -> str:
    """Return the name of this rank's node."""
    return MPI.Get_processor_name()


def count_cores(comm: Comm) -> int:
    """Return how many cores all ranks may use, each counted once. Collective."""
    cores = [(host_name(), core) for core in os.sched_getaffinity(0)]
    return len({core for part in comm.allgather(cores) for core in part})


def start_gather(
    topology: Topology, confidence: NDArray[np.float32], batch: int, passes: int = 1
) -> tuple[Request, NDArray[np.float32]]:
    """Start to gather both models' confidences of a global batch of `batch` samples. Collective.

    `confidence`, contiguous float32 (b,), is from this rank's model for its block, that of a
    `partition.Share` with `passes`. Return a request, and the array (2, batch) that is complete when
    the request is.
    """
    lengths = block_lengths(batch, topology.pairs, passes)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).tolist()
    counts = [lengths[index] for index in topology.indices]
    places = [
        role.place * batch + starts[index]
        for role, index in zip(topology.roles, topology.indices, strict=True)
    ]
    both = np.empty((2, batch), confidence.dtype)
    return topology.world_comm.Iallgatherv(confidence, [both, (counts, places)]), both


def gather_blocks(comm: Comm, values: NDArray[Any], batch: int, passes: int = 1) -> NDArray[Any]:
    """Return a global batch's values (batch,) from the ranks' contiguous blocks (b,). Collective.

    The blocks are those of a `partition.Share` with `passes`.
    """
    everyone = np.empty(batch, values.dtype)
    comm.Allgatherv(values, [everyone, block_lengths(batch, comm.size, passes)])
    return everyone


def share_logits(topology: Topology, logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return Ma's logits of the pair's block, shape (b, K), on both ranks. Collective in the pair."""
    is_teacher = topology.role is Role.AUXILIARY
    teacher = np.ascontiguousarray(logits) if is_teacher else np.empty_like(logits, order="C")
    topology.pair_comm.Bcast(teacher, root=Role.AUXILIARY.place)
    return teacher


def share_predictions(topology: Topology, own: NDArray[Any]) -> NDArray[Any]:
    """Return both models' predictions (2, b, K), Ma's first, from `own` (b, K). Collective in the pair."""
    both = np.empty((2, *own.shape), own.dtype)
    topology.pair_comm.Allgather(np.ascontiguousarray(own), both)
    return both


def start_sum(comm: Comm, buffer: NDArray[Any]) -> Request:
    """Start to sum `buffer` in place; wait for the request. Collective: all ranks start in one order."""
    return comm.Iallreduce(MPI.IN_PLACE, buffer, op=MPI.SUM)


def are_done(requests: Sequence[Request]) -> bool:
    """Return whether all requests are complete, without waiting; lets MPI move its messages."""
    return MPI.Request.Testall(list(requests))


def wait_for(requests: Sequence[Request]) -> None:
    """Wait until all requests are complete."""
    MPI.Request.Waitall(list(requests))


def sum_array(comm: Comm, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of an array over all ranks. Collective."""
    total = np.empty_like(values)
    comm.Allreduce(np.ascontiguousarray(values), total, op=MPI.SUM)
    return total


def share_array(comm: Comm, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rank 0's values on all ranks. Collective."""
    shared = np.ascontiguousarray(values).copy()
    comm.Bcast(shared, root=0)
    return shared


def highest(comm: Comm, value: float) -> float:
    """Return the largest of all ranks' values. Collective."""
    return comm.allreduce(value, op=MPI.MAX)


def gather_arrays(comm: Comm, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return small arrays with a leading axis of ranks, on rank 0; nothing elsewhere. Collective."""
    parts = comm.gather(arrays, root=0) or []
    return {name: np.stack([part[name] for part in parts]) for name in arrays if parts}
