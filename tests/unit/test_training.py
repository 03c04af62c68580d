"""Plans of a training, a learner on one rank, and the figures of an epoch."""

import weakref

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mpi4py import MPI
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mct.data.settings import ImageSettings
from mct.learning.learner import Learner
from mct.learning.losses import cross_entropy
from mct.learning.plan import Plan, plan_training
from mct.learning.rows import CONVOLUTION
from mct.learning.schedules import linear
from mct.learning.settings import ModelSettings, OptimizerSettings, TrainingSettings
from mct.learning.training import ModelTraining
from mct.stage.compute import Compute
from mct.stage.settings import ExecutionSettings

SIZES = {"clean": 10, "noisy": 100}
IMAGES = ImageSettings(size=8, augmentation="none", mean=(0.5,) * 3, std=(0.25,) * 3)
OPTIMIZER = OptimizerSettings(momentum=0.9, nesterov=True, weight_decay=0.0, batch_size=8)


def settings(constant: dict[str, int], decay: dict[str, int]) -> TrainingSettings:
    return TrainingSettings(
        images=IMAGES, optimizer=OPTIMIZER, training_set="noisy", constant_epochs=constant,
        model=ModelSettings(name="small_cnn", initial_weights=None, precision="float32"),
        decay_epochs=decay, learning_rate=0.4, decay_learning_rate=0.1, schedule="linear", seed=0,
    )  # fmt: skip


def make_learner(dtype: torch.dtype = torch.float64, model: nn.Module | None = None) -> Learner:
    torch.manual_seed(0)
    model = model or nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(192, 4))
    return Learner(
        model, compute=Compute(device=torch.device("cpu"), dtype=dtype), comm=MPI.COMM_SELF,
        images=IMAGES, optimizer=OPTIMIZER, execution=ExecutionSettings(bucket_bytes=100),
    )  # fmt: skip


def pictures(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, 8, 8), generator=generator, dtype=torch.uint8)


def test_a_baseline_sees_the_samples_of_both_stages_and_decays_in_the_second():
    plan = plan_training(settings({"noisy": 2}, {"noisy": 1, "clean": 5}), SIZES, set_size=50)
    assert plan.samples == 200 + 100 + 50
    rates = {batch.epoch * 50 + batch.start: plan.rate(batch) for batch in plan.batches()}
    for seen, rate in rates.items():
        expected = 0.4 if seen < 200 else 0.1 * (1 - (seen - 200) / 150)
        assert rate == pytest.approx(expected)


def test_pretraining_has_a_constant_rate():
    plan = plan_training(settings({"clean": 3}, {}), SIZES, set_size=10)
    assert {plan.rate(batch) for batch in plan.batches()} == {0.4}


def test_no_epochs_make_an_empty_plan():
    plan = plan_training(settings({"clean": 0}, {}), SIZES, set_size=10)
    assert list(plan.batches()) == []
    assert plan.epochs().shape == (0,)


@given(st.integers(1, 100), st.integers(1, 30), st.integers(1, 20))
def test_epochs_end_where_their_number_changes_and_at_the_end(samples, set_size, batch_size):
    plan = Plan(
        samples=samples, set_size=set_size, batch_size=batch_size, learning_rate=1, schedule=linear
    )
    epochs, batches = plan.epochs(), list(plan.batches())
    ends = np.diff(epochs, append=-1) != 0
    assert [plan.ends_epoch(batch) for batch in batches] == ends.tolist()
    starts = np.flatnonzero(np.diff(epochs, prepend=-1))
    of_epoch = [plan.steps_of_epoch(batch) for batch in batches]
    assert of_epoch == (np.arange(len(batches)) - starts[epochs] + 1).tolist()
    for step in {0, len(batches) // 2, len(batches)}:
        assert list(plan.batches(step)) == batches[step:]


def test_local_steps_end_where_they_are_due_and_with_their_epoch():
    """Seven samples in batches of two are four steps; the second half is local."""
    plan = Plan(
        samples=14, set_size=7, batch_size=2, learning_rate=1, schedule=linear, local_steps=3,
        local_after=0.4,
    )  # fmt: skip
    batches = list(plan.batches())
    assert [batch.step for batch in batches if plan.is_local(batch)] == [3, 4, 5, 6, 7]
    assert [batch.step for batch in batches if plan.averages(batch)] == [3, 6, 7]


def test_the_first_step_has_the_full_rate_and_the_last_not_yet_none():
    plan = Plan(samples=10, set_size=10, batch_size=5, learning_rate=2, schedule=linear)
    assert [plan.rate(batch) for batch in plan.batches()] == [2, 1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_rank_without_samples_has_logits_like_the_others(dtype):
    learner = make_learner(dtype)
    none, some = learner.forward(pictures(0), key=0), learner.forward(pictures(2), key=0)
    assert none.shape == (0, 4)
    assert none.dtype == some.dtype == dtype


def test_a_step_can_be_repeated_dropout_included():
    learner = make_learner()
    one, again, other = (learner.forward(pictures(4), key=key) for key in (3, 3, 4))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_pictures_are_normalised_before_the_model():
    learner = make_learner(model=nn.Sequential(nn.Flatten(), nn.Linear(192, 4)))
    expected = learner.model((pictures(3).double() / 255 - 0.5) / 0.25)
    np.testing.assert_allclose(
        learner.forward(pictures(3), key=0).detach(), expected.detach(), rtol=1e-12
    )


def batch_loss(logits: torch.Tensor) -> torch.Tensor:
    return cross_entropy(logits, torch.arange(4)).mean()


def test_differentiating_forgets_the_gradients_of_the_step_before():
    learner = make_learner(model=nn.Sequential(nn.Flatten(), nn.Linear(192, 4)))

    def gradients() -> list[np.ndarray]:
        learner.differentiate(batch_loss(learner.forward(pictures(4), key=0)))
        return [parameter.grad.numpy().copy() for parameter in learner.model.parameters()]

    for one, again in zip(gradients(), gradients(), strict=True):
        np.testing.assert_allclose(one, again, rtol=1e-12)


def test_an_update_without_samples_leaves_a_model_without_momentum_as_it_is():
    learner = make_learner()
    before = nn.utils.parameters_to_vector(learner.model.parameters()).clone()
    learner.update(torch.zeros(()), learning_rate=1.0)
    assert torch.equal(before, nn.utils.parameters_to_vector(learner.model.parameters()))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_restored_learner_goes_on_as_the_first_would_have(dtype):
    def steps(learner: Learner, keys: range) -> None:
        for key in keys:
            logits = learner.forward(pictures(4), key=key)
            learner.update(batch_loss(logits), 0.1)

    first, second = make_learner(dtype), make_learner(dtype)
    steps(first, range(3))
    state = first.state()
    steps(first, range(3, 6))
    second.restore(state)
    steps(second, range(3, 6))
    for one, other in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_weights_in_the_place_of_a_models_own_leave_it_in_training():
    learner = make_learner(model=nn.Sequential(nn.Flatten(), nn.Linear(192, 4)))
    own = learner.infer(learner.look(pictures(3)), {})
    torch.testing.assert_close(own, learner.forward(pictures(3), key=0).detach())
    others = {"1.weight": torch.zeros(4, 192).double(), "1.bias": torch.arange(4).double()}
    assert torch.equal(
        learner.infer(learner.look(pictures(2)), others), torch.arange(4).double().expand(2, 4)
    )
    assert learner.infer(learner.look(pictures(0)), others).shape == (0, 4)
    assert learner.model.training
    torch.testing.assert_close(learner.infer(learner.look(pictures(3)), {}), own)


def test_clean_samples_of_batches_are_among_the_samples_seen():
    """A quarter of each step of 8 + 2 is clean: 160 of 200 samples are the set's."""
    training = msgspec.structs.replace(settings({"noisy": 1}, {"noisy": 1}), clean_per_batch=2)
    plan = plan_training(training, SIZES, set_size=80)
    assert (plan.samples, plan.samples_seen) == (160, 200)
    rates = [plan.rate(batch) for batch in plan.batches()]
    assert rates[:10] == [0.4] * 10
    assert rates[10:12] == [0.1, pytest.approx(0.09)]


def test_figures_of_an_epoch_are_means_over_its_samples():
    sums = {
        name: np.array(value) for name, value in (("loss", 6.0), ("correct", 3), ("samples", 4))
    }
    assert ModelTraining.summarise(sums) == {"loss": 1.5, "training_accuracy": 0.75}


def test_a_loss_over_two_forward_passes_has_the_gradients_of_both():
    """The samples that one pass selects say nothing about the other's."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(72, 4))
    learner = make_learner(model=model)
    batches = pictures(3), pictures(6)[3:]
    masks = torch.tensor([[1, 0, 0], [0, 1, 1]])
    total = [torch.zeros_like(parameter) for parameter in model.parameters()]
    for images, mask in zip(batches, masks, strict=True):
        learner.differentiate((learner.forward(images, key=0).sum(dim=1) * mask).sum())
        for part, parameter in zip(total, model.parameters(), strict=True):
            part += parameter.grad
    outputs = [learner.forward(images, key=0).sum(dim=1) for images in batches]
    learner.differentiate((torch.stack(outputs) * masks).sum())
    for part, parameter in zip(total, model.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, part, rtol=1e-12, atol=1e-12)


def test_after_a_skipped_step_a_learner_goes_on_as_a_fresh_one():
    """Its next backward leaves out the same samples, and the skipped graph is gone."""

    def multiplied(learner: Learner) -> int:
        loss = (learner.forward(pictures(5), key=1).sum(dim=1) * torch.eye(5)[3]).sum()
        with FlopCounterMode(display=False) as counter:
            learner.differentiate(loss)
        return counter.get_flop_counts()["Global"][CONVOLUTION.overloadpacket]

    def make() -> Learner:
        torch.manual_seed(0)
        return make_learner(model=nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(72, 4)))

    fresh, skipping = make(), make()
    skipped = weakref.ref(skipping.forward(pictures(5), key=0))
    skipping.skip()
    assert skipped() is None
    assert multiplied(skipping) == multiplied(fresh)
    for one, other in zip(fresh.model.parameters(), skipping.model.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)
