"""A new kind of training is one class: the loop gives it checkpoints, figures of epochs and results."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import h5py
import numpy as np
import pytest
import yaml
from mpi4py import MPI
from replicas import (
    IMAGES,
    SAMPLES,
    SignallingReader,
    clean_reader_on,
    make_learner,
    parameters_of,
    reader_on,
)

from mct.base.errors import StageInterruptedError
from mct.base.files import read_json
from mct.base.roles import Role
from mct.data.clean_batches import SampleReader, Samples
from mct.data.imagesets import ImageSet
from mct.learning.loop import Training, train
from mct.learning.plan import Plan
from mct.learning.schedules import linear
from mct.learning.validation import Validation
from mct.stage import session
from mct.stage.session import Session

STEPS = 8


class Shrinking(Training):
    """Makes all outputs small."""

    quantities: ClassVar = {"loss": ()}

    def step(self, samples: Samples, rate: float) -> float:
        logits = self.learner.forward(*samples.pictures(), key=samples.plan.step)
        loss = logits.square().sum() / samples.count
        self.learner.update(loss, rate)
        self.history.add({"loss": loss.item()})
        return loss.item()

    @staticmethod
    def summarise(sums: Mapping[str, np.ndarray]) -> dict[str, float]:
        return {"loss": float(sums["loss"])}

    def diverged(self) -> dict[str, np.ndarray]:
        return {"the model": self.history.arrays()["loss"]}


def shrink(
    world: MPI.Intracomm,
    image_set: ImageSet,
    folder: Path,
    stop_after: int | None = None,
    validated: ImageSet | None = None,
) -> np.ndarray:
    """Return the weights after training in a session; the last rank may get a signal in a step."""
    folder.mkdir(exist_ok=True)
    config = folder / "config.yaml"
    if world.rank == 0:
        config.write_text(yaml.safe_dump({"execution": {"device": "cpu", "prefetch_batches": 0}}))
    world.Barrier()
    options = Namespace(
        stage="shrinking", ranks=world.size, settings="{}", execution=config,
        checkpoints=folder / "checkpoints", output=folder, precision=(),
    )  # fmt: skip
    reader = reader_on(world, image_set)
    if stop_after is not None and world.rank == world.size - 1:
        reader = SignallingReader(reader, stop_after)
    plan = Plan(
        samples=2 * SAMPLES, set_size=SAMPLES, batch_size=10, learning_rate=0.05, schedule=linear
    )
    with Session(options, Path(__file__), [], "float64") as opened:
        learner = make_learner(world)
        training = Shrinking(learner, plan, settings=None, role=Role.PRIMARY, comm=world)
        validation = validated and Validation(validated, IMAGES, opened.execution, plan)
        train(training, SampleReader(reader, clean_reader_on(world, 0)), opened, validation)
    return parameters_of(learner)


def test_results_of_a_session_are_written_once_and_its_checkpoints_removed(
    world, image_set, folder
):
    before = parameters_of(make_learner(world))
    after = shrink(world, image_set, folder)
    world.Barrier()
    assert not np.allclose(before, after)
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.yaml", "epochs.tsv", "history.h5", "primary.safetensors", "record.json",
    ]  # fmt: skip
    with h5py.File(folder / "history.h5") as file:
        losses = file["loss"][()]
    assert len(losses) == STEPS
    assert losses[-1] < losses[0]
    record = read_json(folder / "record.json")
    assert (record["ranks"], record["samples_seen"]) == (world.size, 2 * SAMPLES)
    check_times(record, measured=STEPS - STEPS // 2)


def check_times(record: dict, measured: int) -> None:
    """Check that the seconds of `measured` steps are those of their parts."""
    assert (record["steps"], record["global_batch"]) == (STEPS, 10)
    assert record["cores"] >= 1
    seconds = record["step_times"]["seconds"]
    assert record["step_times"]["steps"] == measured
    assert set(seconds) == {"total", "compute", "reading", "averaging", "other"}
    assert all(part >= 0 for part in seconds.values())
    assert sum(seconds.values()) == pytest.approx(2 * seconds["total"])
    assert seconds["total"] * measured < record["training_seconds"]


def test_it_is_resumed_in_the_same_bits(world, image_set, folder, monkeypatch):
    whole = shrink(world, image_set, folder / "whole")
    monkeypatch.setattr(session, "hold_stage", lambda *_: None)  # this process is the former holder
    with pytest.raises(StageInterruptedError, match="after step 4"):
        shrink(world, image_set, folder / "parts", stop_after=3)
    world.Barrier()
    assert list((folder / "parts/checkpoints").glob("*/step-000000004"))
    resumed = shrink(world, image_set, folder / "parts")
    np.testing.assert_array_equal(resumed, whole)
    left = STEPS - 4
    check_times(read_json(folder / "parts/record.json"), measured=left - left // 2)


def test_a_curve_of_validation_accuracy_changes_no_bit(world, image_set, folder, monkeypatch):
    whole = shrink(world, image_set, folder / "whole", validated=image_set)
    np.testing.assert_array_equal(shrink(world, image_set, folder / "plain"), whole)
    monkeypatch.setattr(session, "hold_stage", lambda *_: None)
    with pytest.raises(StageInterruptedError, match="after step 6"):
        shrink(world, image_set, folder / "parts", stop_after=5, validated=image_set)
    world.Barrier()
    resumed = shrink(world, image_set, folder / "parts", validated=image_set)
    np.testing.assert_array_equal(resumed, whole)
    texts = [(folder / part / "epochs.tsv").read_text() for part in ("whole", "parts", "plain")]
    assert texts[0] == texts[1]
    assert "validation_accuracy" not in texts[2]
    header, *rows = [line.split("\t") for line in texts[0].splitlines()]
    assert header == ["epoch", "loss", "validation_accuracy"]
    right = [float(row[2]) * SAMPLES for row in rows]
    assert len(right) == 2 and right == pytest.approx(np.round(right), abs=1e-3)
