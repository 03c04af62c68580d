"""Buckets of gradients, and their sums on a world of one rank, against plain autograd."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import Parameter

from mct.parallel.gradients import GradientSum, group_by_bytes
from mct.parallel.transport import ALONE

DTYPES = st.sampled_from([torch.float32, torch.float64])
PARAMETERS = st.lists(
    st.builds(
        lambda size, dtype: Parameter(torch.zeros(size, dtype=dtype)), st.integers(1, 50), DTYPES
    ),
    max_size=20,
)


def make_model() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Tanh(), nn.Flatten(), nn.Linear(180, 4)]
    return nn.Sequential(*layers).double()


def inputs() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(6, 3, 8, 8, generator=generator, dtype=torch.float64)


@given(PARAMETERS, st.integers(1, 500))
def test_groups_are_in_order_small_and_of_one_type(parameters, limit):
    groups = group_by_bytes(parameters, limit)
    flat = [parameter for group in groups for parameter in group]
    assert len(flat) == len(parameters)
    assert all(one is other for one, other in zip(flat, parameters, strict=True))
    for group in groups:
        assert len({parameter.dtype for parameter in group}) == 1
        assert len(group) == 1 or sum(parameter.nbytes for parameter in group) <= limit


def test_groups_by_hand():
    parameters = [Parameter(torch.zeros(size)) for size in (2, 1, 1, 10, 3, 1)]
    groups = [[p.numel() for p in group] for group in group_by_bytes(parameters, limit=16)]
    assert groups == [[2, 1, 1], [10], [3, 1]]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("bucket_bytes", [1, 400, 1 << 20])
def test_gradients_on_one_rank_are_those_of_autograd(bucket_bytes, layout):
    ours, plain = make_model().to(memory_format=layout), make_model()
    gradients = GradientSum(ours.parameters(), ALONE, bucket_bytes)
    for _ in range(2):  # the second step starts from zero again
        gradients.begin()
        ours(inputs()).square().sum().backward()
        gradients.finish()
    plain(inputs()).square().sum().backward()
    for own, other in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad, rtol=1e-12, atol=1e-12)
        assert own.grad.stride() == own.stride()  # copied without a permutation


def test_every_gradient_lies_in_its_bucket():
    model = make_model()
    gradients = GradientSum(model.parameters(), ALONE, 400)
    model(inputs()).sum().backward()
    gradients.finish()
    assert len(gradients.buckets) > 1
    counted = sum(bucket.gradients.numel() for bucket in gradients.buckets)
    assert counted == sum(parameter.numel() for parameter in model.parameters())
    total = sum(bucket.gradients.sum() for bucket in gradients.buckets)
    torch.testing.assert_close(total, sum(parameter.grad.sum() for parameter in model.parameters()))


@pytest.mark.parametrize("bucket_bytes", [1, 1 << 20])
def test_parameters_that_backward_does_not_reach_have_zero_gradients(bucket_bytes):
    used, unused = nn.Linear(4, 2), nn.Linear(4, 2)
    parameters = [*unused.parameters(), *used.parameters()]
    gradients = GradientSum(parameters, ALONE, bucket_bytes)
    gradients.begin()
    used(torch.ones(3, 4)).sum().backward()
    gradients.finish()
    assert all(not parameter.grad.any() for parameter in unused.parameters())
    torch.testing.assert_close(used.weight.grad, torch.full((2, 4), 3.0))


def test_a_rank_without_a_backward_pass_has_zeros():
    model = nn.Linear(4, 2)
    gradients = GradientSum(model.parameters(), ALONE, 1)
    model(torch.ones(3, 4)).sum().backward()
    gradients.begin()
    gradients.finish()
    assert all(not parameter.grad.any() for parameter in model.parameters())


def test_gradients_of_a_local_step_stay_and_count_for_as_many_ranks():
    model = nn.Linear(4, 2)
    gradients = GradientSum(model.parameters(), ALONE, 1 << 20, ranks=3, wire=torch.bfloat16)
    for is_local, factor in ((False, 1), (True, 3)):
        gradients.begin(is_local=is_local)
        model(torch.ones(5, 4)).sum().backward()
        gradients.finish()
        assert torch.equal(model.weight.grad, torch.full((2, 4), 5.0 * factor))
        assert (gradients.messages, gradients.message_bytes) == (1, 2 * 10)
