"""Moving averages of weights by hand."""

import pytest
import torch
from torch import nn

from mct.calibration.teachers import WeightAverage
from mct.stage.state import State


def model_of(weight: float) -> nn.Module:
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    nn.init.constant_(model[0].weight, weight)
    return model


def test_an_average_follows_by_a_share_of_the_way():
    model = model_of(8.0)
    average = WeightAverage(model, steps=4)
    model[0].weight.data.zero_()
    model[1].running_mean += 8
    model[1].num_batches_tracked += 3
    average.update()
    average.update()
    # Three quarters of the way remain after each step.
    assert average.tensors["0.weight"].item() == pytest.approx(8 * 0.75**2)
    assert average.tensors["1.running_mean"].item() == pytest.approx(8 * (1 - 0.75**2))
    assert average.tensors["1.num_batches_tracked"] == 3


def test_a_time_constant_below_a_step_takes_the_model_itself():
    model = model_of(1.0)
    average = WeightAverage(model, steps=0.1)
    model[0].weight.data.fill_(5)
    average.update()
    assert average.tensors["0.weight"] == 5


def test_a_restored_average_is_the_same_in_all_bits():
    model = model_of(1.0)
    average = WeightAverage(model, steps=7)
    for _ in range(3):
        model[0].weight.data.add_(0.1)
        average.update()
    restored = WeightAverage(model_of(0.0), steps=7)
    state = average.state()
    assert set(state.shared) == {"average.0.weight", "average.1.weight", "average.1.bias"}
    others = State({"parameter.0.weight": state.shared["average.0.weight"]})
    restored.restore(state | others)
    for name, value in average.tensors.items():
        assert torch.equal(value, restored.tensors[name])
