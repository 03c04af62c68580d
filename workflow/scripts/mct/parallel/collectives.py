"""The few collectives that training needs: gatherings of a batch, sums, the largest of values."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from mct.base.partition import block_lengths
from mct.base.roles import Role
from mct.parallel.comm import Comm, Topology

Request = MPI.Request


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
        role.place * batch + starts[index]
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
    is_teacher = topology.role is Role.AUXILIARY
    teacher = np.ascontiguousarray(logits) if is_teacher else np.empty_like(logits, order="C")
    topology.pair_comm.Bcast(teacher, root=Role.AUXILIARY.place)
    return teacher


def share_predictions(topology: Topology, own: NDArray[Any]) -> NDArray[Any]:
    """Return both models' predictions (2, b, K) of a pair's block from `own` (b, K). Collective in it."""
    both = np.empty((2, *own.shape), own.dtype)
    topology.pair_comm.Allgather(np.ascontiguousarray(own), both)
    return both


def start_sum(comm: Comm, buffer: NDArray[Any]) -> Request:
    """Start to sum `buffer` over all ranks in place, until the request is done. Collective, in one order."""
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


def highest(comm: Comm, value: int) -> int:
    """Return the largest of all ranks' values. Collective."""
    return comm.allreduce(value, op=MPI.MAX)


def slowest(comm: Comm, seconds: float) -> float:
    """Return the longest of all ranks' times. Collective."""
    return comm.allreduce(seconds, op=MPI.MAX)


def gather_arrays(comm: Comm, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return small arrays with a leading axis of ranks, on rank 0; nothing elsewhere. Collective."""
    parts = comm.gather(arrays, root=0) or []
    return {name: np.stack([part[name] for part in parts]) for name in arrays if parts}
