"""Backward over selected samples against backward over all."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mct.learning.models import build_architecture, small_cnn
from mct.learning.rows import CONVOLUTION, SelectedRows, keeps_samples_apart

BATCH = 5


def make_model() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 6, 3, stride=2), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(54, 3)).double()


def gradients(mask: torch.Tensor, *, selected: bool) -> list[torch.Tensor]:
    model = make_model().to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(BATCH, 3, 8, 8, generator=generator, dtype=torch.float64)
    inputs.requires_grad_()
    logits = model(inputs)
    loss = (logits.square().sum(dim=1) * mask).sum()
    with SelectedRows(logits) if selected else nullcontext():
        loss.backward()
    return [inputs.grad, *(parameter.grad for parameter in model.parameters())]


@pytest.mark.parametrize("chosen", [[], [3], [0, 2, 4], [0, 1, 2, 3, 4]])
def test_gradients_of_a_masked_loss_are_those_of_all_rows(chosen):
    mask = torch.zeros(BATCH)
    mask[chosen] = 1
    for own, reference in zip(
        gradients(mask, selected=True), gradients(mask, selected=False), strict=True
    ):
        torch.testing.assert_close(own, reference, rtol=1e-12, atol=1e-12)


def test_fewer_rows_are_multiplied():
    mask = torch.tensor([1, 0, 0, 1, 0])
    operations = []
    for selected in (True, False):
        with FlopCounterMode(display=False) as counter:
            gradients(mask, selected=selected)
        operations.append(counter.get_flop_counts()["Global"][CONVOLUTION.overloadpacket])
    assert operations[0] == operations[1] * 2 // 5


def test_batch_norm_couples_samples():
    assert not keeps_samples_apart(small_cnn(3))
    assert keeps_samples_apart(make_model())
    assert keeps_samples_apart(build_architecture("alexnet", 3))
