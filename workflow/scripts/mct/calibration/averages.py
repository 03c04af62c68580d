"""Moving averages of a model's weights."""

import torch
from torch import Tensor, nn

from mct.learning.learner import to_array
from mct.stage.state import Arrays, State

PREFIX = "average."


class WeightAverage:
    """An exponential moving average of parameters and running statistics, on the model's device.

    After each step a <- d a + (1 - d) w with d = 1 - 1 / `steps`; it starts at the model.
    """

    def __init__(self, model: nn.Module, steps: float) -> None:
        self._model = model
        self._rate = 1 / max(steps, 1.0)
        self.tensors = {name: value.detach().clone() for name, value in named_tensors(model)}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the model's weights, in place. Counters of steps are copied."""
        values = dict(named_tensors(self._model))
        floating = [name for name, value in values.items() if value.is_floating_point()]
        averages = [self.tensors[name] for name in floating]
        torch._foreach_lerp_(averages, [values[name] for name in floating], self._rate)
        for name in values.keys() - set(floating):
            self.tensors[name].copy_(values[name])

    def state(self) -> State:
        """Return averages of parameters, equal on all ranks, and of running statistics, each rank's."""
        buffers = dict(self._model.named_buffers())
        shared: Arrays = {}
        local: Arrays = {}
        for name, value in self.tensors.items():
            (local if name in buffers else shared)[PREFIX + name] = to_array(value)
        return State(shared, local)

    def restore(self, state: State) -> None:
        """Return to a state that `state` returned, in place; others' entries are left alone."""
        for name, value in {**state.shared, **state.local}.items():
            if name.startswith(PREFIX):
                self.tensors[name.removeprefix(PREFIX)].copy_(torch.from_numpy(value))


def named_tensors(model: nn.Module) -> list[tuple[str, Tensor]]:
    """Return a model's parameters and buffers by name."""
    return [*model.named_parameters(), *model.named_buffers()]
