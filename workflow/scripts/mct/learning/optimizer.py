"""Stochastic gradient descent with momentum, by torch's fused kernel.

torch's optimizer class is not used: its first step imports the compiler stack, which takes three
seconds on each rank (docs/decisions.md). The function under it does not.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim.sgd import sgd

from mct.learning.settings import OptimizerSettings


class MomentumSGD:
    """v <- mu v + g + decay w;  w <- w - rate (g + decay w + mu v) with Nesterov, else rate v.

    Norms and biases are not decayed. Velocities are tensors like their parameters, zero at first
    (which equals torch's start, since dampening is 0), and stay zero without momentum. `copies` are
    parameters of lower precision that follow theirs; `factors` multiply the rate of some, 1 if left
    out. A step gives the same bits for any number of threads and wherever in memory tensors begin,
    so that ranks stay equal.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        settings: OptimizerSettings,
        copies: Mapping[Parameter, Parameter] | None = None,
        factors: Mapping[Parameter, float] | None = None,
    ) -> None:
        self._parameters = list(parameters)
        self._settings = settings
        self._copies = {p: copy for p, copy in (copies or {}).items() if copy is not p}
        self._factors = {p: (factors or {}).get(p, 1.0) for p in self._parameters}
        self.velocities = [torch.zeros_like(parameter) for parameter in self._parameters]

    @torch.no_grad()
    def step(self, learning_rate: float, decay_factor: float = 1.0) -> None:
        """Update parameters, copies and velocities in place from `.grad`, which is left unchanged.

        Parameters that need no gradient stay as they are. `decay_factor` multiplies the weight decay.
        """
        decay = decay_factor * self._settings.weight_decay
        for factor in dict.fromkeys(self._factors.values()):
            self._update(learning_rate, factor, decay, is_decayed=True)
            self._update(learning_rate, factor, 0.0, is_decayed=False)
        self.refresh_copies()

    def _update(
        self, learning_rate: float, factor: float, decay: float, *, is_decayed: bool
    ) -> None:
        """Update the matrices, which are decayed, or the norms and biases, with a factor of the rate."""
        weights, gradients = [], []
        velocities: list[Tensor | None] = []
        for weight, velocity in zip(self._parameters, self.velocities, strict=True):
            is_chosen = (weight.ndim > 1) == is_decayed and self._factors[weight] == factor
            if is_chosen and weight.requires_grad:
                assert weight.grad is not None, "GradientSum owns every gradient"
                weights.append(weight.detach())
                gradients.append(weight.grad)
                velocities.append(velocity)
        settings = self._settings
        sgd(
            weights, gradients, velocities, lr=factor * learning_rate,
            momentum=settings.momentum,
            weight_decay=decay, nesterov=settings.nesterov,
            dampening=0.0, maximize=False, fused=True,
        )  # fmt: skip

    @torch.no_grad()
    def refresh_copies(self) -> None:
        """Set the copies to their parameters."""
        if self._copies:
            torch._foreach_copy_(list(self._copies.values()), list(self._copies))
