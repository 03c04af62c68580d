"""Norms of groups of a batch equal torch's own norm of each group; teams of ranks by hand."""

import copy

import pytest
import timm
import torch
from mpi4py import MPI
from torch import nn

from mct.base.errors import UserError
from mct.data.settings import ImageSettings
from mct.learning.ghost_norms import arrange_norms, count_teams, part_of
from mct.learning.learner import Learner
from mct.learning.models import build_architecture, small_cnn
from mct.learning.parts import freeze
from mct.learning.settings import ModelSettings, OptimizerSettings
from mct.learning.trunk import SplitNet
from mct.stage.compute import Compute
from mct.stage.settings import ExecutionSettings

ALONE = MPI.COMM_SELF


def optimizer(samples: int, **options) -> OptimizerSettings:
    return OptimizerSettings(batch_size=64, norm_samples=samples, **options)


def make_norm(dtype: torch.dtype) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(3).to(dtype)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
        norm.bias.copy_(torch.tensor([0.0, 1.0, -1.0]))
    return norm


def inputs(count: int, dtype: torch.dtype) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    drift = torch.arange(count).view(-1, 1, 1, 1)  # so that groups differ
    return (torch.randn(count, 3, 4, 5, generator=generator) * 3 + drift).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("count", "samples", "sizes"),
    [(12, 4, [4, 4, 4]), (13, 5, [7, 6]), (11, 1, [1] * 11), (5, 5, [5]), (9, 5, [9]), (3, 8, [3])],
)
def test_each_group_is_normalised_as_torch_would(dtype, count, samples, sizes):
    ghost, own = make_norm(dtype), inputs(count, dtype).requires_grad_()
    assert arrange_norms(ghost, ALONE, optimizer(samples)) is None
    references = [make_norm(dtype) for _ in sizes]
    parts = [part.clone().requires_grad_() for part in inputs(count, dtype).split(sizes)]
    output = ghost(own)
    expected = torch.cat([norm(part) for norm, part in zip(references, parts, strict=True)])
    for result in (output, expected):
        (result.sin() * inputs(count, dtype)).sum().backward()
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(own.grad, torch.cat([part.grad for part in parts]))
    for name in ("weight", "bias"):
        total = sum(getattr(norm, name).grad for norm in references)
        torch.testing.assert_close(getattr(ghost, name).grad, total)
    for name in ("running_mean", "running_var"):
        mean = torch.stack([getattr(norm, name) for norm in references]).mean(dim=0)
        torch.testing.assert_close(getattr(ghost, name), mean)
    assert ghost.num_batches_tracked == 1


def test_in_evaluation_running_statistics_serve():
    ghost = make_norm(torch.float64)
    arrange_norms(ghost, ALONE, optimizer(2))
    pictures = inputs(8, torch.float64)
    assert torch.equal(ghost.eval()(pictures), make_norm(torch.float64).eval()(pictures))


@pytest.mark.parametrize("samples", [None, 4])
def test_running_statistics_move_by_the_share_that_is_set(samples):
    norm, pictures = make_norm(torch.float64), inputs(4, torch.float64)
    settings = OptimizerSettings(batch_size=4, norm_samples=samples, norm_momentum=0.05)
    arrange_norms(norm, ALONE, settings)
    norm(pictures)
    torch.testing.assert_close(norm.running_mean, 0.05 * pictures.mean(dim=(0, 2, 3)))


def test_autocast_normalises_groups_of_bfloat16():
    torch.manual_seed(0)
    net = small_cnn(4)
    exact = copy.deepcopy(net)
    pictures = torch.randn(16, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    for each in (net, exact):
        arrange_norms(each, ALONE, optimizer(4))
    with torch.autocast("cpu", torch.bfloat16):
        logits = net(pictures)
    assert logits.dtype == torch.bfloat16
    torch.testing.assert_close(logits.float(), exact(pictures), rtol=0.05, atol=0.05)


def test_timms_norms_are_normalised_in_groups():
    nets = [timm.create_model("tf_efficientnet_lite0", num_classes=4).double() for _ in range(2)]
    ghost, plain = (net.train() for net in nets)
    ghost.load_state_dict(plain.state_dict())
    arrange_norms(ghost, ALONE, optimizer(4, norm_momentum=0.5))
    pictures = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0)).double()
    expected = torch.cat([plain(group) for group in pictures.split(4)])
    torch.testing.assert_close(ghost(pictures), expected)


def test_other_norms_are_refused():
    with pytest.raises(UserError, match=r"`norm_samples` need norms of pictures.* BatchNorm1d"):
        arrange_norms(timm.create_model("levit_128s"), ALONE, optimizer(8))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["cifar_resnet18", "timm/resnet10t"])
def test_a_frozen_trunk_is_still_computed_apart(name, dtype):
    """Its norms are traced whole, so what they do with their input does not matter."""
    net = build_architecture(name, 4)
    freeze(net, ModelSettings(name=name, trainable=1))
    learner = Learner(
        net, compute=Compute(device=torch.device("cpu"), dtype=dtype), comm=ALONE,
        images=ImageSettings(size=32, augmentation="none", mean=(0.5,) * 3, std=(0.25,) * 3),
        optimizer=optimizer(4), execution=ExecutionSettings(),
    )  # fmt: skip
    assert isinstance(learner._net, SplitNet)
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    logits = learner.forward(torch.zeros(8, 3, 32, 32, dtype=torch.uint8), key=0)
    learner.update(logits.square().sum(), 0.01)
    counts = {
        name.split(".")[0]
        for name, buffer in net.named_buffers()
        if name.endswith("tracked") and not torch.equal(buffer, before[name])
    }
    assert counts == {"layer4"}


@pytest.mark.parametrize(
    ("batch", "ranks", "samples", "teams"),
    [
        (128, 4, 32, 4),  # each rank has enough
        (128, 4, 33, 2),
        (128, 8, 32, 4),
        (128, 7, 32, 3),  # 2 of 7 have 36.6 samples; the ranks left over join
        (128, 12, 32, 4),
        (256, 512, 32, 8),
        (100, 3, 100, 1),
        (100, 3, 1000, 1),
        (100, 1, 1000, 1),
        (1, 4, 1, 1),
    ],
)
def test_teams_are_the_smallest_that_have_enough(batch, ranks, samples, teams):
    assert count_teams(batch, ranks, samples) == teams


@pytest.mark.parametrize(
    ("ranks", "teams", "expected"),
    [(4, 2, [0, 0, 1, 1]), (7, 3, [0, 0, 0, 1, 1, 2, 2]), (3, 1, [0, 0, 0])],
)
def test_teams_are_neighbours(ranks, teams, expected):
    assert [part_of(ranks, teams, rank) for rank in range(ranks)] == expected
