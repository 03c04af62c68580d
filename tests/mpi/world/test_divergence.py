"""A model whose numbers are not finite any more ends its training on all ranks, in one line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from mpi4py import MPI
from replicas import SAMPLES, clean_reader_on, make_learner, plain_objective, reader_on
from safetensors.numpy import load_file, save_file

from mct.base.errors import UserError
from mct.base.roles import Role
from mct.data.clean_batches import SampleReader
from mct.data.imagesets import ImageSet
from mct.learning.learner import Learner
from mct.learning.loop import Loop
from mct.learning.plan import Plan
from mct.learning.schedules import linear
from mct.learning.training import ModelTraining
from mct.stage.checkpoint import Checkpoints
from mct.stage.progress import Progress
from mct.stage.settings import ExecutionSettings

STEPS = 8
Break = Callable[[int, torch.Tensor], torch.Tensor]


def train(
    comm: MPI.Intracomm, image_set: ImageSet, folder: Path, spoil: Break, every: int = 1
) -> Learner:
    """Train for eight steps; `spoil` may change the loss of a step, and a checkpoint follows each."""
    learner, plain = make_learner(comm), plain_objective(comm)
    plan = Plan(
        samples=2 * SAMPLES, set_size=SAMPLES, batch_size=10, learning_rate=0.05, schedule=linear
    )

    def objective(logits, labels, samples):
        return spoil(samples.plan.step, plain(logits, labels, samples))

    training = ModelTraining(learner, plan, objective, settings=None, role=Role.PRIMARY)
    execution = ExecutionSettings(checkpoint_minutes=0, checkpoint_steps=every)
    checkpoints = Checkpoints(folder, execution, world_comm=comm, model_comm=comm, role="primary")
    reader = SampleReader(reader_on(comm, image_set), clean_reader_on(comm, 0))
    Loop(training, Progress("pretrain_primary"), checkpoints).run(reader, prefetch=0)
    return learner


def saved(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_training_stops_at_the_first_loss_that_is_not_finite_on_one_rank(
    world, image_set, folder, value
):
    """The last rank's; checkpoints from before are kept."""

    def spoil(step: int, loss: torch.Tensor) -> torch.Tensor:
        return loss + value if step == 4 and world.rank == world.size - 1 else loss

    line = (
        r"^pretrain_primary: the model diverged: the loss is not finite at step 5 of 8, learning rate "
        r"0\.0\d+; last finite loss: \d\.\d+; lower pretraining\.learning_rate, then run again$"
    )
    with pytest.raises(UserError, match=line):
        train(world, image_set, folder, spoil)
    world.Barrier()
    assert saved(folder) == ["step-000000003", "step-000000004"]
    with pytest.raises(UserError, match="the loss is not finite at step 5 of 8"):
        train(world, image_set, folder, spoil)


def infinite_gradient(step: int, loss: torch.Tensor) -> torch.Tensor:
    """Return a finite loss whose gradient is not in the fifth step and the last."""
    return loss + torch.sqrt(0 * loss) if step in (4, STEPS - 1) else loss


def test_weights_that_are_not_finite_are_not_saved(world, image_set, folder):
    with pytest.raises(UserError, match=r"the weights are not finite after step 5 of 8, .*: \d"):
        train(world, image_set, folder, infinite_gradient)
    world.Barrier()
    assert saved(folder) == ["step-000000003", "step-000000004"]


def test_weights_that_the_last_step_spoils_are_not_a_result(world, image_set, folder):
    def spoil(step: int, loss: torch.Tensor) -> torch.Tensor:
        return infinite_gradient(step, loss) if step > 4 else loss

    with pytest.raises(UserError, match="the weights are not finite after step 8 of 8"):
        train(world, image_set, folder, spoil, every=0)


def test_a_checkpoint_that_is_not_finite_is_not_resumed(world, image_set, folder):
    def stop(step: int, loss: torch.Tensor) -> torch.Tensor:
        return loss + float("nan") if step == 2 else loss

    with pytest.raises(UserError):
        train(world, image_set, folder, stop)
    world.Barrier()
    if world.rank == 0:
        path = folder / "step-000000002/primary.safetensors"
        state = load_file(path)
        name = next(iter(state))
        save_file({**state, name: np.full_like(state[name], np.nan)}, path)
    world.Barrier()
    with pytest.raises(UserError, match="step-000000002: expected finite weights, got NaN"):
        train(world, image_set, folder, lambda step, loss: loss)
