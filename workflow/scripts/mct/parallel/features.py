"""What the two ranks of a pair compute of their pictures in halves."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mct.parallel.comm import Comm


class FeatureExchange:
    """Gives each rank of a pair the rows that the other one computed."""

    def __init__(self, pair_comm: Comm) -> None:
        self._comm = pair_comm

    def part(self, shared: int) -> slice:
        """Return which of `shared` rows this rank computes."""
        half = (shared + 1) // 2
        return slice(0, half) if self._comm.rank == 0 else slice(half, shared)

    def complete(self, own: tuple[Tensor, ...], shared: int) -> tuple[Tensor, ...]:
        """Return tensors with all `shared` rows, then what follows this rank's own. Collective.

        `own` have this rank's part of the shared rows first, shapes (n, ...), on the CPU.
        """
        return tuple(self._complete(tensor, shared) for tensor in own)

    def _complete(self, own: Tensor, shared: int) -> Tensor:
        mine = self.part(shared)
        count = mine.stop - mine.start
        other = slice(0, mine.start) if mine.start else slice(mine.stop, shared)
        whole = empty_like(own, len(own) + shared - count)
        whole[mine], whole[shared:] = own[:count], own[count:]
        partner = 1 - self._comm.rank
        self._comm.Sendrecv(
            memory(whole[mine]), partner, recvbuf=memory(whole[other]), source=partner
        )
        return whole


def empty_like(tensor: Tensor, rows: int) -> Tensor:
    """Return a tensor of so many rows, arranged in memory like another one."""
    shape = (rows, *tensor.shape[1:])
    is_last = tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
    arrangement = torch.channels_last if is_last else torch.contiguous_format
    return torch.empty(shape, dtype=tensor.dtype, memory_format=arrangement)


def memory(rows: Tensor) -> NDArray[np.uint8]:
    """Return the bytes of consecutive rows of a tensor that `empty_like` made, as a view."""
    if rows.ndim == 4 and not rows.is_contiguous():
        rows = rows.permute(0, 2, 3, 1)
    return rows.reshape(-1).view(torch.uint8).numpy()
