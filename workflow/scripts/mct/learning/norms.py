"""Norms over all ranks of a model: statistics of the global batch, and means of running ones."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from mct.base.errors import UserError
from mct.parallel.comm import Comm, sum_array


class GlobalNorm(torch.autograd.Function):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, with mean and variance over all ranks.

    Ioffe, Szegedy, ICML 2015, Algorithm 1 and the gradients of section 3. Gradients of weight and
    bias are this rank's share, as those of every other parameter.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor,
        count: int, eps: float, comm: Comm,
    ) -> Tensor:  # fmt: skip
        """Return x (b, C, h, w) normalised by given statistics (C,) over `count` values."""
        ctx.save_for_backward(x, weight, mean, var)
        ctx.count, ctx.eps, ctx.comm = count, eps, comm
        if not x.numel():  # torch's kernel divides by the size
            return x.clone()
        return torch.native_batch_norm(x, weight, bias, mean, var, False, 0.0, eps)[0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple:
        """Return the gradients; statistics depend on every x, so two sums cross the ranks."""
        x, weight, mean, var = ctx.saved_tensors
        direct, own_weight, own_bias = gradient, torch.zeros_like(mean), torch.zeros_like(mean)
        if x.numel():
            direct, own_weight, own_bias = torch.ops.aten.native_batch_norm_backward(
                gradient, x, weight, mean, var, None, None, False, ctx.eps, [True, True, True]
            )
        both = torch.stack([own_weight, own_bias]).double()
        total = _sum(ctx.comm, both) / ctx.count
        inverse = torch.rsqrt(var.double() + ctx.eps)
        slope = -weight.double() * inverse.square() * total[0]
        shift = -weight.double() * inverse * total[1] - mean.double() * slope
        slope, shift = (part.to(mean.dtype).view(1, -1, 1, 1) for part in (slope, shift))
        indirect = torch.addcmul(shift, x.to(mean.dtype), slope)
        return direct + indirect.to(direct.dtype), own_weight, own_bias, *(None,) * 5


class FollowingBatchNorm2d(nn.BatchNorm2d):
    """torch's batch norm, whose running statistics may follow statistics of several tensors."""

    def _follow(self, mean: Tensor, var: Tensor) -> None:
        """Move the running statistics towards a batch's, as torch does."""
        assert self.momentum is not None and self.num_batches_tracked is not None
        self.running_mean.lerp_(mean, self.momentum)  # type: ignore[union-attr]
        self.running_var.lerp_(var, self.momentum)  # type: ignore[union-attr]
        self.num_batches_tracked.add_(1)


class GlobalBatchNorm2d(FollowingBatchNorm2d):
    """torch's batch norm over all ranks. Collective in training, also in backward and for empty blocks."""

    comm: Comm

    def forward(self, input: Tensor) -> Tensor:
        """Return the normalised input, (b, C, h, w); updates the running statistics in training."""
        if not self.training:
            return super().forward(input)
        assert self.running_mean is not None and self.running_var is not None
        mean, var, count = global_statistics(input.detach(), self.comm, self.running_mean.dtype)
        if not count:  # a small batch leaves a team without samples
            return input
        self._follow(mean, var * (count / max(count - 1, 1)))
        return GlobalNorm.apply(
            input, self.weight, self.bias, mean, var, count, self.eps, self.comm
        )


def global_statistics(x: Tensor, comm: Comm, dtype: torch.dtype) -> tuple[Tensor, Tensor, int]:
    """Return mean and biased variance, (C,), and count over all ranks' x, (b >= 0, C, h, w). Collective."""
    channels, count = x.shape[1], x.numel() // x.shape[1]
    sums = x.new_zeros(3, channels, dtype=torch.float64)
    if count:
        var, mean = torch.var_mean(x.to(dtype), dim=(0, 2, 3), correction=0)
        mean = mean.double()
        sums[:] = count * torch.stack([torch.ones_like(mean), mean, var + mean.square()])
    total = _sum(comm, sums)
    mean = total[1] / total[0]  # NaN where no rank has a value
    var = (total[2] / total[0] - mean.square()).clamp_(min=0)
    return mean.to(dtype), var.to(dtype), int(total[0, 0])


def _sum(comm: Comm, values: Tensor) -> Tensor:
    total = sum_array(comm, np.asarray(values.cpu().numpy(), np.float64))
    return torch.from_numpy(total).to(values.device)


class GlobalBatchNormAct2d(GlobalBatchNorm2d):
    """timm's batch norm with its activation, with the statistics of all ranks while it trains."""

    drop: nn.Module
    act: nn.Module

    def forward(self, input: Tensor) -> Tensor:
        """Return the activation of the normalised input, (b, C, h, w)."""
        return self.act(self.drop(super().forward(input)))


GLOBAL = {"BatchNorm2d": GlobalBatchNorm2d, "BatchNormAct2d": GlobalBatchNormAct2d}
"""What shares its statistics, by the name of the class that does not."""


def share_statistics(model: nn.Module, comm: Comm) -> None:
    """Let the batch norms of a model take their statistics over all ranks of `comm`, in place.

    Raises UserError: it has norms of another kind, which would go on with those of a rank's block.
    """
    for norm in recast(model, GLOBAL):
        norm.comm = comm  # type: ignore[assignment]


def recast(model: nn.Module, kinds: Mapping[str, type[_BatchNorm]]) -> list[_BatchNorm]:
    """Turn the batch norms of a model into those of `kinds`, by class name, in place; return them.

    Raises UserError: it has norms of another kind.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    for norm in norms:
        if (kind := type(norm).__name__) not in kinds:
            raise UserError(
                f"optimizer: `norm_statistics: batch` and `norm_samples` need norms of pictures, and "
                f"this net has {kind}; take `norm_statistics: block` without `norm_samples`"
            )
        norm.__class__ = kinds[kind]
    return norms


def average_running_statistics(comm: Comm, model: nn.Module, *, has_seen: bool) -> None:
    """Replace the running statistics of norms by their mean over ranks, in place. Collective.

    Each rank's norms saw only its own blocks; parameters are equal on all ranks already. A rank all
    of whose blocks were empty has seen nothing (`has_seen`) and has no part in the mean; where no
    rank has seen anything they stay as they are.
    """
    count = comm.allreduce(int(has_seen))
    for statistic in filter(Tensor.is_floating_point, model.buffers()) if count else []:
        own = statistic.detach().double().cpu().numpy()
        mean = sum_array(comm, own if has_seen else np.zeros_like(own)) / count
        statistic.copy_(statistic.new_tensor(mean))


def tracked_batches(model: nn.Module) -> int:
    """Return how many batches a model's norms have seen; 0 without norms."""
    named = model.named_buffers()
    counts = [int(count) for name, count in named if name.endswith("num_batches_tracked")]
    return max(counts, default=0)
