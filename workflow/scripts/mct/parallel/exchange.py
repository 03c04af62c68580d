"""Sums over ranks that go on in small steps, while the caller computes.

MPI's own non-blocking sum, and two of ours over point to point messages, for where MPI cannot be
given an algorithm or cannot add the type: ring (Patarasuk, Yuan, 2009), and reduce-scatter and
allgather by direct exchange (Thakur, Rabenseifner, Gropp, 2005). Every algorithm leaves the same
bits on all ranks.

An algorithm is a generator over a flat tensor on the host that it changes in place; it yields the
requests that must be done before it goes on.
"""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from mct.base.partition import block_lengths
from mct.parallel.comm import Comm, Request, are_done, start_sum, wait_for

Steps = Iterator[Sequence[Request]]


class Exchange:
    """A running sum: `progress` in between never waits, `finish` waits until it is complete."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._pending = next(steps, None)

    def progress(self) -> None:
        """Go on as far as messages have arrived."""
        while self._pending is not None and are_done(self._pending):
            self._pending = next(self._steps, None)

    def finish(self) -> None:
        """Wait for the rest."""
        while self._pending is not None:
            wait_for(self._pending)
            self._pending = next(self._steps, None)


def mpi_sum(comm: Comm, values: Tensor, tag: int) -> Steps:
    """Sum by MPI's non-blocking allreduce, whose algorithm the library or its variables choose."""
    yield [start_sum(comm, values.numpy())]


def ring_sum(comm: Comm, values: Tensor, tag: int) -> Steps:
    """Sum around a ring: 2 (n - 1) steps of 1/n of the values."""
    size, rank = comm.size, comm.rank
    chunks = split_evenly(values, size)
    received = torch.empty_like(chunks[0])
    after, before = (rank + 1) % size, (rank - 1) % size
    for step in range(size - 1):
        own = chunks[(rank - step - 1) % size]
        part = received[: len(own)]
        yield _swap(comm, chunks[(rank - step) % size], after, part, before, tag)
        own.add_(part)
    for step in range(size - 1):
        sent, taken = chunks[(rank + 1 - step) % size], chunks[(rank - step) % size]
        yield _swap(comm, sent, after, taken, before, tag)


def scattered_sum(comm: Comm, values: Tensor, tag: int) -> Steps:
    """Sum each rank's own chunk in rank order, in float32 at least, rounded once; then gather the chunks."""
    others = [rank for rank in range(comm.size) if rank != comm.rank]
    chunks = split_evenly(values, comm.size)
    own = chunks[comm.rank]
    parts = [own if rank == comm.rank else torch.empty_like(own) for rank in range(comm.size)]
    yield [
        *(_receive(comm, parts[rank], rank, tag) for rank in others),
        *(_send(comm, chunks[rank], rank, tag) for rank in others),
    ]
    total = parts[0].to(torch.promote_types(own.dtype, torch.float32), copy=True)
    for part in parts[1:]:
        total.add_(part)
    own.copy_(total)
    yield [
        *(_receive(comm, chunks[rank], rank, tag) for rank in others),
        *(_send(comm, own, rank, tag) for rank in others),
    ]


ALGORITHMS: dict[str, Callable[[Comm, Tensor, int], Steps]] = {
    "mpi": mpi_sum,
    "ring": ring_sum,
    "reduce_scatter_allgather": scattered_sum,
}


def split_evenly(values: Tensor, parts: int) -> tuple[Tensor, ...]:
    """Return views of consecutive chunks whose lengths differ by at most one, longest first."""
    return values.split(block_lengths(len(values), parts))


def _swap(
    comm: Comm, sent: Tensor, target: int, received: Tensor, source: int, tag: int
) -> list[Request]:
    return [_receive(comm, received, source, tag), _send(comm, sent, target, tag)]


def _send(comm: Comm, values: Tensor, target: int, tag: int) -> Request:
    return comm.Isend(values.view(torch.uint8).numpy(), dest=target, tag=tag)


def _receive(comm: Comm, values: Tensor, source: int, tag: int) -> Request:
    return comm.Irecv(values.view(torch.uint8).numpy(), source=source, tag=tag)
