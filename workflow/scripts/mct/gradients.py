"""Sums of gradients over ranks, in buckets that travel while backward still runs."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Parameter

from mct.comm import NO_REQUEST, Comm, Request, start_sum


@dataclass
class Bucket:
    """Gradients that travel in one message.

    `gradients` is one flat tensor on the model's device of which every `parameter.grad` is a
    view; `wire` is the same memory as an array, or a copy on the host where the device is a GPU.
    """

    gradients: Tensor
    wire: NDArray[np.floating]
    parameters: int
    arrived: int = 0
    request: Request = field(default_factory=lambda: NO_REQUEST)


class GradientSum:
    """Sums the gradients of a model over the ranks of a communicator.

    Parameters are put into buckets in the order in which backward reaches them, last layer first.
    A bucket starts to travel when all its gradients are there and all earlier buckets have
    started, so that every rank starts its messages in the same order.

    Parameters
    ----------
    parameters
        The model's; their `.grad` is owned by this object from now on.
    comm
        All ranks that hold a replica of the model.
    bucket_bytes
        Largest sum of gradients in one message; a larger parameter travels alone.
    """

    def __init__(self, parameters: Iterable[Parameter], comm: Comm, bucket_bytes: int) -> None:
        self._comm = comm
        self._next = 0
        self.buckets: list[Bucket] = []
        for group in group_by_bytes(list(parameters)[::-1], bucket_bytes):
            self._add_bucket(group)

    def _add_bucket(self, parameters: list[Parameter]) -> None:
        flat = parameters[0].new_zeros(sum(p.numel() for p in parameters))
        offset = 0
        for parameter in parameters:
            # The parameter's own strides: a channels-last gradient is added without a permutation.
            parameter.grad = torch.as_strided(flat, parameter.shape, parameter.stride(), offset)
            parameter.register_post_accumulate_grad_hook(self._hook(len(self.buckets)))
            offset += parameter.numel()
        wire = flat.cpu().numpy() if flat.device.type != "cpu" else flat.numpy()
        self.buckets.append(Bucket(gradients=flat, wire=wire, parameters=len(parameters)))

    def _hook(self, index: int):
        def arrive(_: Tensor) -> None:
            self.buckets[index].arrived += 1
            self._start_complete()

        return arrive

    def _start_complete(self) -> None:
        while self._next < len(self.buckets):
            bucket = self.buckets[self._next]
            if bucket.arrived < bucket.parameters:
                return
            self._start(bucket)

    def _start(self, bucket: Bucket) -> None:
        self._next += 1
        if self._comm.size == 1:
            return
        if bucket.gradients.device.type != "cpu":
            bucket.wire[:] = bucket.gradients.cpu().numpy()
        bucket.request = start_sum(self._comm, bucket.wire)

    def zero(self) -> None:
        """Set all gradients to zero, before backward."""
        self._next = 0
        for bucket in self.buckets:
            bucket.gradients.zero_()
            bucket.arrived = 0

    def finish(self) -> None:
        """Wait until every gradient is the sum over all ranks. Collective.

        A rank without samples calls it without a backward pass and contributes zeros.
        """
        while self._next < len(self.buckets):
            self._start(self.buckets[self._next])
        for bucket in self.buckets:
            bucket.request.Wait()
            if self._comm.size > 1 and bucket.gradients.device.type != "cpu":
                bucket.gradients.copy_(torch.from_numpy(bucket.wire))


def group_by_bytes(parameters: list[Parameter], limit: int) -> list[list[Parameter]]:
    """Return the parameters in consecutive groups of at most `limit` bytes and one data type."""
    groups: list[list[Parameter]] = []
    size = 0
    for parameter in parameters:
        size += parameter.nbytes
        if not groups or size > limit or parameter.dtype != groups[-1][0].dtype:
            groups.append([])
            size = parameter.nbytes
        groups[-1].append(parameter)
    return groups
