"""A rank that computes its part of a batch in k passes has the results of k ranks.

In float64, where only the order of sums differs, also with norms of blocks and with dropout: each pass
has the batch statistics and the random numbers of the rank that it stands for. Running statistics, which
predict for averages of weights and for strong views, are the mean over passes: those forms have no norms.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from mpi4py import MPI
from msgspec.structs import replace
from replicas import (
    IMAGES,
    OPTIMIZER,
    SAMPLES,
    SignallingReader,
    checkpoints_in,
    clean_reader_on,
    make_learner,
    parameters_of,
    plain_model,
    random_model,
    reader_on,
)
from test_calibration import CLEAN, PAIR, POSTERIOR, calibrate, calibration_settings
from torch import nn

from mct.base.errors import StageInterruptedError
from mct.base.roles import ROLES, Role
from mct.data.clean_batches import SampleReader
from mct.data.imagesets import ImageSet
from mct.learning.loop import Loop
from mct.learning.losses import cross_entropy
from mct.learning.objectives import Objective, easiest_examples, equal_weights
from mct.learning.plan import Plan
from mct.learning.schedules import linear
from mct.learning.settings import ModelSettings
from mct.learning.training import ModelTraining
from mct.parallel.comm import Topology
from mct.stage.progress import Progress

Build = Callable[[int], nn.Module]


def objective_of(kind: str, comm: MPI.Intracomm, passes: int) -> Objective:
    """Return an objective; `each` is known to have a loss for each pass, `equal` is not."""
    weigh = equal_weights
    if kind == "easiest":
        weigh = easiest_examples(comm, 0.4, SAMPLES, SAMPLES, passes)
    return Objective(cross_entropy, weigh, np.zeros(SAMPLES, bool), compares=kind != "each")


def train(
    comm: MPI.Intracomm,
    image_set: ImageSet,
    folder: Path,
    passes: int,
    *,
    kind: str = "equal",
    build: Build = random_model,
    stop_after: int | None = None,
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return parameters, running statistics and the history after two and a bit epochs of 37 samples.

    Without norms the last batch leaves ranks and passes without a sample.
    """
    batch = 10 if build is plain_model else 20
    optimizer = replace(OPTIMIZER, accumulation=passes)
    learner = make_learner(comm, optimizer=optimizer, build=build)
    plan = Plan(
        samples=74 + (11 if batch == 10 else 18), set_size=SAMPLES, batch_size=batch,
        learning_rate=0.05, schedule=linear,
        clean_per_batch=5,
    )  # fmt: skip
    reader = reader_on(comm, image_set, passes=passes)
    if stop_after is not None and comm.rank == comm.size - 1:
        reader = SignallingReader(reader, stop_after)
    samples = SampleReader(reader, clean_reader_on(comm, 5, passes=passes))
    objective = objective_of(kind, comm, passes)
    training = ModelTraining(learner, plan, objective, settings=None, role=Role.PRIMARY)
    checkpoints = checkpoints_in(folder, comm, comm, "primary")
    Loop(training, Progress("test"), checkpoints).run(samples, prefetch=0)
    buffers = [each.double().flatten() for each in learner.model.buffers()]
    running = torch.cat(buffers).cpu().numpy() if buffers else np.zeros(0)
    return parameters_of(learner), running, training.history.arrays()


@pytest.mark.parametrize("build", [plain_model, random_model])
@pytest.mark.parametrize("kind", ["equal", "each", "easiest"])
def test_training_in_passes_equals_training_on_as_many_ranks(world, image_set, folder, kind, build):
    """With four ranks: on four in one pass, on one in four; and on eight that do not exist."""
    own = folder / f"rank{world.rank}"
    for passes in (1, 2):
        all_ranks = train(world, image_set, folder / str(passes), passes, kind=kind, build=build)
        alone = train(MPI.COMM_SELF, image_set, own, passes * world.size, kind=kind, build=build)
        for ours, reference in zip(all_ranks[:2], alone[:2], strict=True):
            np.testing.assert_allclose(ours, reference, rtol=1e-9, atol=1e-12)
        for name, values in all_ranks[2].items():
            np.testing.assert_allclose(values, alone[2][name], rtol=1e-9, err_msg=name)


def test_passes_are_seen_in_the_results_of_norms_and_dropout(image_set, folder):
    """Else the test before would show nothing."""
    results = [
        train(MPI.COMM_SELF, image_set, folder / f"{MPI.COMM_WORLD.rank}", passes)[0]
        for passes in (1, 4)
    ]
    assert not np.allclose(*results, rtol=1e-3)


@pytest.mark.parametrize("kind", ["each", "easiest"])
def test_training_in_passes_is_resumed_in_the_same_bits(world, image_set, folder, kind):
    whole = train(world, image_set, folder / "whole", 3, kind=kind)
    with pytest.raises(StageInterruptedError, match="after step 4"):
        train(world, image_set, folder / "parts", 3, kind=kind, stop_after=3)
    resumed = train(world, image_set, folder / "parts", 3, kind=kind)
    np.testing.assert_array_equal(resumed[0], whole[0])
    np.testing.assert_array_equal(resumed[1], whole[1])


FROZEN = ModelSettings(name="small_cnn", trainable="classifier", precision="float64")
FORMS = {
    "paper, norms": ({}, random_model),
    "per_rank, norms": ({"selection": "per_rank", **CLEAN}, random_model),
    "all taught by the pair, strong views": (
        {**CLEAN, **PAIR, "images": replace(IMAGES, strong_augmentation=0.8)}, plain_model,
    ),
    "posterior, averages": (POSTERIOR, plain_model),
    "a trunk that pairs share": ({**CLEAN, "model": FROZEN}, plain_model),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_calibration_in_passes_equals_calibration_on_as_many_pairs(
    topology, image_set, folder, form
):
    changes, build = FORMS[form]

    def run(where: Topology, name: str, passes: int):
        optimizer = replace(OPTIMIZER, accumulation=passes)
        settings = calibration_settings(**changes, optimizer=optimizer)
        seed = {"model_seed": 0} if settings.model == FROZEN else {}
        return calibrate(where, image_set, settings, folder / name, build=build, **seed)

    lone_world = topology.pair_comm.Dup()
    lone = Topology(
        world_comm=lone_world, group_comm=MPI.COMM_SELF, pair_comm=topology.pair_comm,
        roles=ROLES, indices=(0, 0), hosts=("a", "a"),
    )  # fmt: skip
    for passes in (1, 2):
        coupling = run(topology, f"all{passes}", passes)
        name = f"pair{topology.group_comm.rank}-{passes}"
        reference = run(lone, name, passes * topology.pairs)
        np.testing.assert_allclose(
            parameters_of(coupling.learner), parameters_of(reference.learner), rtol=1e-8, atol=1e-11
        )
        expected = reference.history.arrays()
        for name, values in coupling.history.arrays().items():
            np.testing.assert_allclose(values, expected[name], rtol=1e-8, err_msg=name)
        if topology.world_comm.rank == 0:
            np.testing.assert_array_equal(coupling.record.selected, reference.record.selected)
            np.testing.assert_allclose(
                coupling.record.confidence, reference.record.confidence, rtol=1e-6
            )
    lone_world.Free()
