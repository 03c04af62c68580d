"""Time a calibration step whose first stages are frozen against one in which all stages learn.

OMP_NUM_THREADS=1 mpiexec -n 2 python -m mpi4py \
    -m benchmarks.frozen_stages.measure_frozen_stages --output benchmarks/frozen_stages/frozen_stages

The forms make steps in turn, on the same batch. The trunk, which is what is frozen, is computed by each
model for itself where the two differ in it, otherwise by the pair.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.shared.conditions import describe_conditions
from benchmarks.shared.figures import middle, ratios, span
from mct.calibration.settings import CalibrationSettings
from mct.learning.learner import Learner
from mct.learning.models import build_model
from mct.parallel.comm import Topology, split_world, world
from mct.performance.rehearsal import (
    paper_settings,
    random_batch,
    random_set,
    rehearsed_step,
    time_once,
)
from mct.performance.settings import ScalingSettings
from mct.results.tables import Row, write_table
from mct.stage.rank_compute import choose_for_ranks
from mct.stage.settings import ExecutionSettings

CLASSES = 14


@dataclass(frozen=True)
class Form:
    """A way to make the step."""

    title: str
    trainable: Any
    norms: str = "block"
    has_own_trunk: bool = False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--size", type=int, default=224, help="pixels")
    parser.add_argument("--batch", type=int, default=16, help="samples a rank")
    parser.add_argument("--stages", type=int, default=2, help="stages that learn, the last ones")
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    forms = [
        Form("all stages learn", "all"),
        Form("last stages learn, a trunk for each model", options.stages, has_own_trunk=True),
        Form("last stages learn, one trunk", options.stages),
        Form("last stages learn, one trunk, stored statistics", options.stages, "stored"),
    ]
    topology = split_world(world())
    steps = [make_step(topology, form, options) for form in forms]
    rounds = [
        [time_once(topology.world_comm, step) for step in steps]
        for _ in range(options.repetitions + 1)
    ]
    if topology.world_comm.rank == 0:
        rows = make_rows(forms, rounds[1:])
        write_table(rows, options.output.with_suffix(".tsv"), describe(options))
    topology.free()


def make_step(topology: Topology, form: Form, options: argparse.Namespace) -> Callable[[], object]:
    """Return what makes a step in a form, both models at random starts. Collective."""
    rehearsed = ScalingSettings(
        model=options.model, size=options.size, classes=CLASSES, precision=options.precision,
        samples_per_rank=options.batch, fixed_batch=options.batch, repeats=1,
        averaged_models=(), gathered_samples=(),
    )  # fmt: skip
    samples = options.batch * topology.pairs
    settings = form_settings(paper_settings(rehearsed, samples), form)
    image_set = random_set(samples, CLASSES)
    batch = random_batch(image_set, options.size, topology.pairs, topology.group_comm.rank)
    seed = topology.role.place if form.has_own_trunk else 0
    learner = Learner(
        build_model(settings.model, CLASSES, options.size, seed),
        compute=choose_for_ranks(options.precision, ExecutionSettings(), topology.group_comm),
        comm=topology.group_comm, images=settings.images, optimizer=settings.optimizer,
        execution=ExecutionSettings(),
    )  # fmt: skip
    return rehearsed_step(topology, learner, image_set, settings, batch)


def form_settings(settings: CalibrationSettings, form: Form) -> CalibrationSettings:
    """Return settings of a calibration in a form."""
    replace = msgspec.structs.replace
    return replace(
        settings,
        model=replace(settings.model, trainable=form.trainable),
        optimizer=replace(settings.optimizer, norm_statistics=form.norms),
    )


def make_rows(forms: list[Form], rounds: list[list[float]]) -> list[Row]:
    """Return medians of each form's steps, and of their ratios to those of the first."""
    first, *_ = columns = list(zip(*rounds, strict=True))
    return [
        {
            "form": form.title,
            "seconds": middle(column, 3),
            "ratio": middle(ratios(column, first), 3),
            "ratio_range": span(ratios(column, first), 3),
        }
        for form, column in zip(forms, columns, strict=True)
    ]


def describe(options: argparse.Namespace) -> str:
    """Return the conditions."""
    measured = (
        f"A step of calibration of two {options.model} at {options.size} pixels, {options.batch} "
        f"samples a rank, two ranks of one thread; the last {options.stages} stages and the classifier"
        f" learn. Medians of {options.repetitions} rounds after one that is not counted, with "
        "the lowest and the highest ratio of a round."
    )
    return describe_conditions(measured, "OMP_NUM_THREADS=1 mpiexec -n 2 python -m mpi4py")


if __name__ == "__main__":
    main()
