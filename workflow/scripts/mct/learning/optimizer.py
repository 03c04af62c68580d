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
from mct.learning.trust import trust_ratios
from mct.parallel.comm import Comm

Moving = list[tuple[Parameter, Tensor]]
"""Parameters with their velocities."""


class MomentumSGD:
    """v <- mu v + g + decay w;  w <- w - rate (g + decay w + mu v) with Nesterov, else rate v.

    Norms and biases are not decayed. Velocities are tensors like their parameters, zero at first
    (which equals torch's start, since dampening is 0), and stay zero without momentum. `copies` are
    parameters of lower precision that follow theirs; `factors` multiply the rate of some, 1 if left
    out. A step gives the same bits for any number of threads and wherever in memory tensors begin,
    so that ranks stay equal.

    With a trust coefficient (LARS) the sum g + decay w of each matrix is multiplied by its
    `trust_ratios` before it enters the velocity. Ranks of `comm` hold replicas and agree on them.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        settings: OptimizerSettings,
        copies: Mapping[Parameter, Parameter] | None = None,
        factors: Mapping[Parameter, float] | None = None,
        comm: Comm | None = None,
    ) -> None:
        self._parameters = list(parameters)
        self._settings, self._comm = settings, comm
        self._copies = {p: copy for p, copy in (copies or {}).items() if copy is not p}
        self._factors = {p: (factors or {}).get(p, 1.0) for p in self._parameters}
        self.velocities = [torch.zeros_like(parameter) for parameter in self._parameters]

    @torch.no_grad()
    def step(self, learning_rate: float, decay_factor: float = 1.0) -> None:
        """Update parameters, copies and velocities in place from `.grad`, which is left unchanged.

        `decay_factor` multiplies the weight decay. Parameters that need no gradient stay as they are.
        Collective with a trust coefficient.
        """
        both = zip(self._parameters, self.velocities, strict=True)
        learning = [(weight, velocity) for weight, velocity in both if weight.requires_grad]
        matrices = [one for one in learning if one[0].ndim > 1]
        decay = self._settings.weight_decay * decay_factor
        update = self._update_by_trust if self._settings.trust_coefficient else self._update
        update(matrices, learning_rate, decay)
        self._update([one for one in learning if one[0].ndim <= 1], learning_rate, 0.0)
        self.refresh_copies()

    def _update(self, moving: Moving, learning_rate: float, decay: float) -> None:
        for factor in dict.fromkeys(self._factors.values()):
            chosen = [one for one in moving if self._factors[one[0]] == factor]
            gradients = [gradient_of(weight) for weight, _ in chosen]
            self._descend(chosen, gradients, factor * learning_rate, decay)

    def _update_by_trust(self, moving: Moving, learning_rate: float, decay: float) -> None:
        """Update each parameter with gradient and decay multiplied by its trust ratio. Collective."""
        weights = [weight.detach() for weight, _ in moving]
        gradients = [gradient_of(weight) for weight, _ in moving]
        coefficient = self._settings.trust_coefficient
        ratios = trust_ratios(weights, gradients, coefficient, decay, self._comm)
        for one, gradient, ratio in zip(moving, gradients, ratios, strict=True):
            rate = self._factors[one[0]] * learning_rate
            self._descend([one], [gradient * ratio], rate, decay * ratio)

    def _descend(self, moving: Moving, gradients: list[Tensor], rate: float, decay: float) -> None:
        settings = self._settings
        velocities: list[Tensor | None] = [velocity for _, velocity in moving]
        sgd(
            [weight.detach() for weight, _ in moving], gradients, velocities, lr=rate,
            momentum=settings.momentum, weight_decay=decay, nesterov=settings.nesterov,
            dampening=0.0, maximize=False, fused=True,
        )  # fmt: skip

    @torch.no_grad()
    def refresh_copies(self) -> None:
        """Set the copies to their parameters."""
        if self._copies:
            torch._foreach_copy_(list(self._copies.values()), list(self._copies))


def gradient_of(parameter: Parameter) -> Tensor:
    """Return the gradient that a step goes down."""
    assert parameter.grad is not None, "GradientSum owns every gradient"
    return parameter.grad
