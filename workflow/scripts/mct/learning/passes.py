"""Several passes of a rank for one update: the memory of one, the results of as many ranks.

What a model learns from depends on its predictions for the whole batch. So all passes first run
without gradient; when the loss is known, each runs again and takes the gradient of its logits back
(gradient caching: Gao, Zhang, Han, Callan, RepL4NLP 2021). Where a pass has a loss of its own it runs
once.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mct.data.clean_batches import Rows
from mct.learning.trunk import Seen
from mct.parallel.gradients import GradientSum

Run = Callable[[Seen, int, int], Tensor]
"""What the net sees, the step and the number of the pass to logits (b, K)."""
Backward = Callable[[Tensor], AbstractContextManager]
"""Logits of a pass to the context in which it is differentiated."""


class Statistics:
    """A net's buffers, which each pass finds as they were before the step.

    After a step the running statistics of norms are the mean over its passes, a pass without samples
    counted as one that leaves them: so they follow those of ranks with a pass each, whose mean they
    are in the end.
    """

    def __init__(self, model: nn.Module) -> None:
        self._buffers = list(model.buffers())

    def copy(self) -> list[Tensor]:
        """Return their values."""
        return [buffer.clone() for buffer in self._buffers]

    def set(self, values: Sequence[Tensor]) -> None:
        """Replace their values in place."""
        for buffer, value in zip(self._buffers, values, strict=True):
            buffer.copy_(value)

    def each(self, passes: int) -> Iterator[int]:
        """Yield the number of each pass, with the values of before; set their mean at the end."""
        before = self.copy()
        after = self.copy()
        for place in range(passes):
            self.set(before)
            yield place
            for mean, buffer, start in zip(after, self._buffers, before, strict=True):
                if mean.is_floating_point():
                    mean.add_(buffer - start, alpha=1 / passes)  # exact where nothing moves
                else:
                    torch.maximum(mean, buffer, out=mean)
        self.set(after)


@dataclass(frozen=True)
class Deferred:
    """Passes that ran without gradient: what they saw, their samples, and all their logits."""

    seen: Seen
    key: int
    passes: Sequence[Rows]
    logits: Tensor
    before: list[Tensor]


class Passes:
    """Runs a net in passes; `run` is its forward pass, `backward` the context of backward.

    Passes that nothing is learned from are left out of backward, unless it `runs_all`: where norms
    share statistics, all ranks have to run the same ones.
    """

    def __init__(
        self,
        model: nn.Module,
        gradients: GradientSum,
        run: Run,
        backward: Backward,
        *,
        runs_all: bool = False,
    ) -> None:
        self._statistics, self._gradients = Statistics(model), gradients
        self._run, self._backward, self._runs_all = run, backward, runs_all
        self._deferred: list[Deferred] = []

    @torch.no_grad()
    def learn(self, seen: Seen, passes: Sequence[Rows], *, key: int) -> Tensor:
        """Return logits (b, K) of all passes, a leaf whose gradient `differentiate` takes back."""
        before = self._statistics.copy()
        found = [
            self._run(take(seen, passes[place]), key, place)
            for place in self._statistics.each(len(passes))
        ]
        logits = found[0].new_empty(len(seen[0]), found[0].shape[1])
        for rows, part in zip(passes, found, strict=True):
            put(part, logits, rows)
        logits.requires_grad_()
        self._deferred.append(Deferred(seen, key, passes, logits, before))
        return logits

    @property
    def are_deferred(self) -> bool:
        """Whether passes wait for the gradient of their logits."""
        return bool(self._deferred)

    def forget(self) -> None:
        """Forget the passes of a step that is not made."""
        self._deferred = []

    def differentiate(self, loss: Tensor) -> None:
        """Add the gradient of a loss of the logits that `learn` returned; passes without any are left out."""
        loss.backward()
        deferred, self._deferred = self._deferred, []
        work = [
            (step, place, gradient)
            for step in deferred
            if step.logits.grad is not None
            for place, rows in enumerate(step.passes)
            if (gradient := take((step.logits.grad,), rows)[0]).any() or self._runs_all
        ]
        after = self._statistics.copy()
        for number, (step, place, gradient) in enumerate(work, 1):
            self._statistics.set(step.before)
            logits = self._run(take(step.seen, step.passes[place]), step.key, place)
            self._go_back(logits, logits, gradient, is_last=number == len(work))
        self._statistics.set(after)

    def learn_each(
        self, seen: Iterable[Seen], losses: Sequence[Callable[[Tensor], Tensor]], *, key: int
    ) -> list[tuple[Tensor, Tensor]]:
        """Return logits and loss of each pass, whose gradients are added at once."""
        found = []
        for place, part in zip(self._statistics.each(len(losses)), seen, strict=True):
            logits = self._run(part, key, place)
            loss = losses[place](logits)
            if loss.requires_grad:
                self._go_back(logits, loss, is_last=place + 1 == len(losses))
            found.append((logits.detach(), loss.detach()))
        return found

    def _go_back(
        self, logits: Tensor, loss: Tensor, gradient: Tensor | None = None, *, is_last: bool
    ) -> None:
        if is_last:
            self._gradients.expect_last()
        with self._backward(logits):
            loss.backward(gradient)


def take(seen: Seen, rows: Rows) -> Seen:
    """Return the samples of a pass, of each tensor."""
    parts = [part for part in rows if part.stop > part.start] or [slice(0, 0)]
    if len(parts) == 1:
        return tuple(tensor[parts[0]] for tensor in seen)
    return tuple(torch.cat([tensor[part] for part in parts]) for tensor in seen)


def put(values: Tensor, whole: Tensor, rows: Rows) -> None:
    """Write the values of a pass to their places in the whole block, in place."""
    lengths = [part.stop - part.start for part in rows]
    for part, own in zip(rows, values.split(lengths), strict=True):
        whole[part] = own
