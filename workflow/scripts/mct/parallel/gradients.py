"""Sums of gradients over ranks, in buckets that travel while backward still runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor
from torch.nn import Parameter

from mct.parallel.transport import Sum, Transport


@dataclass
class Bucket:
    """Gradients that travel together.

    `gradients` is one flat tensor on the model's device of which the gradient of every parameter
    is a view. `missing` counts those that backward has not reached yet.
    """

    gradients: Tensor
    views: dict[Parameter, Tensor]
    sum: Sum
    missing: int = 0


class GradientSum:
    """Sums the gradients of a model over the ranks of a communicator.

    Parameters are put into buckets in the order in which backward reaches them, last layer first.
    A bucket starts to travel when all its gradients are there and all earlier buckets have
    started, so that every rank starts its messages in the same order. Messages go on whenever
    backward reaches a parameter, since MPI moves them only when it is called. Gradients of several
    backward passes add up; nothing travels before the last one. In a local step nothing travels.

    It owns the `.grad` of all `parameters` from now on. `transport` sums a bucket, of at most
    `bucket_bytes` unless a single parameter is larger, over all replicas of the model. `leaves` are
    the tensors of the graph that stand for some parameters, perhaps of lower precision. There are
    `ranks` replicas; `messages` and `message_bytes` count the buckets that this one has sent, in type
    `wire`, None their own.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        transport: Transport,
        bucket_bytes: int,
        leaves: Mapping[Parameter, Parameter] | None = None,
        *,
        ranks: int = 1,
        wire: torch.dtype | None = None,
    ) -> None:
        self._leaves = leaves or {}
        self._transport, self._ranks, self._wire = transport, ranks, wire
        self._next, self._is_last, self._is_local = 0, True, False
        self.messages = self.message_bytes = 0
        self.waited_seconds = 0.0
        self.buckets: list[Bucket] = []
        for group in group_by_bytes(list(parameters)[::-1], bucket_bytes):
            self._add_bucket(group)
        self.begin()

    def _add_bucket(self, parameters: list[Parameter]) -> None:
        flat = parameters[0].new_zeros(sum(p.numel() for p in parameters))
        views, offset = {}, 0
        for parameter in parameters:
            # The parameter's own strides: a channels-last gradient is copied without a permutation.
            views[parameter] = torch.as_strided(flat, parameter.shape, parameter.stride(), offset)
            leaf = self._leaves.get(parameter, parameter)
            leaf.register_post_accumulate_grad_hook(self._hook(len(self.buckets), parameter))
            offset += parameter.numel()
        place = len(self.buckets)
        self.buckets.append(Bucket(flat, views, self._transport.prepare(flat, place)))

    def _hook(self, index: int, parameter: Parameter):
        def arrive(leaf: Tensor) -> None:
            bucket = self.buckets[index]
            view = bucket.views[parameter]
            if leaf.grad is not view:  # in which torch adds up where no copy learns in its place
                is_first = leaf is parameter or parameter.grad is None
                (view.copy_ if is_first else view.add_)(leaf.grad)  # type: ignore[arg-type]
                leaf.grad = None
                parameter.grad = view
            if self._is_local or not self._is_last:
                return
            bucket.missing -= 1
            while self._next < len(self.buckets) and not self.buckets[self._next].missing:
                self._start_next()
            for running in self.buckets[: self._next]:
                running.sum.progress()

        return arrive

    def _start_next(self) -> None:
        bucket = self.buckets[self._next]
        bucket.sum.start()
        self._next += 1
        if self._ranks > 1:
            values = bucket.gradients
            self.messages += 1
            self.message_bytes += values.numel() * (self._wire or values.dtype).itemsize

    def begin(self, *, is_last: bool = True, is_local: bool = False) -> None:
        """Expect every gradient anew, before backward.

        `is_last` says whether no other pass follows, `is_local` whether gradients stay with this rank.
        """
        self._next, self._is_last, self._is_local = 0, is_last, is_local
        for bucket in self.buckets:
            bucket.missing = len(bucket.views)
            for parameter in bucket.views:
                parameter.grad = None

    def expect_last(self) -> None:
        """Let gradients travel from the next backward pass on, to which those so far are added."""
        self._is_last = True

    def finish(self) -> None:
        """Wait until every `.grad` is the sum over all ranks. Collective.

        In a local step it is this rank's part times the number of ranks, whose mean over ranks is that
        sum. What backward did not reach counts as zero, so a rank without samples calls this alone.
        `waited_seconds` grows by the time that this takes.
        """
        began = perf_counter()
        for bucket in self.buckets:
            for parameter, view in bucket.views.items():
                if parameter.grad is None:
                    parameter.grad = view.zero_()
        if self._is_local:
            for bucket in self.buckets:
                bucket.gradients.mul_(self._ranks)
        else:
            self._send_rest()
        self.waited_seconds += perf_counter() - began

    @torch.no_grad()
    def average_parameters(self) -> None:
        """Replace every parameter by its mean over ranks, in place; gradients are lost. Collective."""
        began = perf_counter()
        for bucket in self.buckets:
            for parameter, view in bucket.views.items():
                view.copy_(parameter)
        self._next = 0
        self._send_rest()
        for bucket in self.buckets:
            bucket.gradients.div_(self._ranks)
            for parameter, view in bucket.views.items():
                parameter.copy_(view)
        self.waited_seconds += perf_counter() - began

    def _send_rest(self) -> None:
        while self._next < len(self.buckets):
            self._start_next()
        for bucket in self.buckets:
            bucket.sum.finish()


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
