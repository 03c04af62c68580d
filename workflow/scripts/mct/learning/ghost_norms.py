"""Norms over about as many samples as one wants, whatever a rank's share of a batch is.

Ghost batch norm: Hoffer, Hubara, Soudry, NeurIPS 2017, section 4. A rank cuts its block into groups
(`GhostBatchNorm2d`), or several ranks form a team and share statistics (`mct.learning.norms`).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from mct.base.partition import block
from mct.learning.norms import FollowingBatchNorm2d, recast, share_statistics
from mct.learning.settings import OptimizerSettings
from mct.parallel.comm import Comm


class GroupsNorm(torch.autograd.Function):
    """torch's batch norm of consecutive groups of a batch, each by itself.

    Concatenating what torch makes of each group would copy the whole batch, forward and backward.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, statistics: Tensor, eps: float
    ) -> Tensor:
        """Return x (b, C, h, w), normalised, whose groups differ by at most one sample in size.

        `statistics`, zeros (groups, 2, C), become the mean and the unbiased variance of each group.
        """
        output, groups = torch.empty_like(x), len(statistics)
        saved: list[Tensor] = []
        for part, whole, (mean, var) in zip(
            x.tensor_split(groups), output.tensor_split(groups), statistics, strict=True
        ):
            own = mean.new_empty(0), mean.new_empty(0)  # mean and inverse deviation, for backward
            torch.native_batch_norm(
                part, weight, bias, mean, var, True, 1.0, eps, out=(whole, *own)
            )  # momentum 1: what ran before does not count
            saved += own
        ctx.save_for_backward(x, weight, *saved)
        ctx.eps = eps
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple:
        """Return the gradients of x, weight and bias."""
        x, weight, *saved = ctx.saved_tensors
        groups, of_x = len(saved) // 2, torch.empty_like(x)
        of_weight, of_bias = torch.zeros_like(weight), torch.zeros_like(weight)
        parts = (tensor.tensor_split(groups) for tensor in (gradient, x, of_x))
        for own, part, whole, mean, inverse in zip(*parts, saved[::2], saved[1::2], strict=True):
            direct, by_weight, by_bias = torch.ops.aten.native_batch_norm_backward(
                own, part, weight, None, None, mean, inverse, True, ctx.eps, [True, True, True]
            )
            whole.copy_(direct)
            of_weight += by_weight
            of_bias += by_bias
        return of_x, of_weight, of_bias, None, None


class GhostBatchNorm2d(FollowingBatchNorm2d):
    """torch's batch norm with statistics of its own for each group of about `samples` samples.

    A batch of b samples has the largest number of groups that leaves `samples` in each, at least one.
    Their sizes differ by at most one. Running statistics follow the mean of the groups' statistics,
    once for each batch.
    """

    samples: int

    def forward(self, input: Tensor) -> Tensor:
        """Return the normalised input, (b, C, h, w); updates the running statistics in training."""
        groups = len(input) // self.samples
        if not self.training or groups < 2:
            return super().forward(input)
        assert self.running_mean is not None
        statistics = self.running_mean.new_zeros(groups, 2, len(self.running_mean))
        output = GroupsNorm.apply(input, self.weight, self.bias, statistics, self.eps)
        self._follow(*statistics.mean(dim=0))
        return output


class GhostBatchNormAct2d(GhostBatchNorm2d):
    """timm's batch norm with its activation, with statistics for each group of samples."""

    drop: nn.Module
    act: nn.Module

    def forward(self, input: Tensor) -> Tensor:
        """Return the activation of the normalised input, (b, C, h, w)."""
        return self.act(self.drop(super().forward(input)))


GHOSTS = {"BatchNorm2d": GhostBatchNorm2d, "BatchNormAct2d": GhostBatchNormAct2d}
"""What normalises groups of samples, by the name of the class that does not."""


def arrange_norms(model: nn.Module, comm: Comm, settings: OptimizerSettings) -> Comm | None:
    """Let the batch norms of a model take their statistics as the settings say, in place.

    Return the communicator of the ranks that share statistics: `comm`, or one of a team, which the
    caller frees. None where each rank has its own. Collective. UserError: norms of another kind.
    """
    if settings.norm_momentum is not None:
        for module in model.modules():
            if isinstance(module, _BatchNorm):
                module.momentum = settings.norm_momentum
    team = _team_of(comm, settings)
    if team is not None:
        share_statistics(model, team)
    elif settings.norm_samples is not None:
        for norm in recast(model, GHOSTS):
            norm.samples = settings.norm_samples  # type: ignore[assignment]
    return team


def _team_of(comm: Comm, settings: OptimizerSettings) -> Comm | None:
    """Return the communicator of the ranks that share statistics; None where each has its own."""
    if settings.norm_statistics == "batch":
        return comm if comm.size > 1 else None
    if settings.norm_samples is None:
        return None
    in_a_pass = settings.batch_size // settings.accumulation
    teams = count_teams(in_a_pass, comm.size, settings.norm_samples)
    if teams == comm.size:
        return None
    return Comm(comm.Split(part_of(comm.size, teams, comm.rank), key=comm.rank))


def count_teams(batch: int, ranks: int, samples: int) -> int:
    """Return into how many teams ranks are divided so that each has `samples` of a full batch.

    The smallest teams are taken whose share of the batch reaches `samples`; one team, if none does.
    As many teams as ranks means that each rank has enough alone.
    """
    smallest = -(-samples * ranks // batch)
    return max(ranks // smallest, 1)


def part_of(count: int, parts: int, item: int) -> int:
    """Return the number of the `partition.block` that an item is in, of `parts` blocks."""
    return next(part for part in range(parts) if item < block(count, parts, part)[1])
