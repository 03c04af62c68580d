"""Time what coupling adds to a step: the coupled step against each model's own, and the selection.

OMP_NUM_THREADS=1 mpiexec -n 2 python -m mpi4py \
    -m benchmarks.coupling.measure_coupling --output benchmarks/coupling/two_ranks

Coupled and uncoupled steps alternate on the same batch. With more ranks than cores only the
selection is measured (`--selection-only`): allgather, ranking and masks.
"""

import argparse
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from benchmarks.shared.conditions import describe_conditions, machine
from benchmarks.shared.figures import middle, ratios, span
from mct.calibration.decisions import Selector
from mct.calibration.settings import CalibrationSettings
from mct.data.imagesets import ImageSet
from mct.data.loading import Batch
from mct.parallel.comm import Topology, split_world, start_gather, wait_for, world
from mct.performance.rehearsal import (
    NOISE,
    learn_all,
    paper_settings,
    random_batch,
    random_learner,
    random_set,
    rehearsed_step,
    time_once,
)
from mct.performance.settings import ScalingSettings
from mct.results.tables import Row, write_table
from mct.stage.settings import ExecutionSettings

CLASSES = 14
FIELDS = ("ranks", "model", "samples_per_rank", "uncoupled_seconds", "coupled_seconds",
          "ratio", "ratio_range", "selection_seconds", "selection_range", "selection_percent")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="cifar_resnet18")
    parser.add_argument("--size", type=int, default=32, help="pixels")
    parser.add_argument("--batch", type=int, default=128, help="samples a rank")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--selections", type=int, default=200)
    parser.add_argument("--selection-only", type=float, help="seconds of a step to compare with")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    topology = split_world(world())
    rehearsed = ScalingSettings(
        model=options.model, size=options.size, classes=CLASSES, precision="auto",
        samples_per_rank=options.batch, fixed_batch=options.batch, repeats=options.repetitions,
        averaged_models=(), gathered_samples=(),
    )  # fmt: skip
    samples = options.batch * topology.pairs
    settings, image_set = paper_settings(rehearsed, samples), random_set(samples, CLASSES)
    batch = random_batch(image_set, options.size, topology.pairs, topology.group_comm.rank)
    selections = time_selections(topology, settings, image_set, batch, options.selections)
    pairs = (
        [(options.selection_only,) * 2]
        if options.selection_only
        else time_steps(topology, settings, image_set, batch, options.repetitions)
    )
    if topology.world_comm.rank == 0:
        ranks = topology.world_comm.size
        rows = [make_row(pairs, selections, options, ranks)]
        caption = describe(ranks, len(pairs), len(selections))
        write_table(rows, options.output.with_suffix(".tsv"), caption)
    topology.free()


def time_selections(
    topology: Topology, settings: CalibrationSettings, image_set: ImageSet, batch: Batch, count: int
) -> list[float]:
    """Return the seconds of allgather, ranking and masks, all ranks starting together."""
    selector = Selector(settings, NOISE, image_set.observed, topology.pairs)
    generator = np.random.default_rng(topology.world_comm.rank)
    seconds = []
    for _ in range(count):
        own = generator.random(len(batch.labels), np.float32)
        topology.world_comm.Barrier()
        began = perf_counter()
        request, both = start_gather(topology, own, batch.plan.size)
        wait_for([request])
        selector.decide(both, batch)
        seconds.append(perf_counter() - began)
    return seconds


def time_steps(
    topology: Topology, settings: CalibrationSettings, image_set: ImageSet, batch: Batch,
    repetitions: int,
) -> list[tuple[float, float]]:  # fmt: skip
    """Return seconds of (the slower model's own step, the coupled step) of each repetition."""
    execution, comm = ExecutionSettings(), topology.world_comm
    learner = random_learner(topology.group_comm, settings.model.name, CLASSES, settings, execution)
    coupled_step = rehearsed_step(topology, learner, image_set, settings, batch)
    pairs = []
    for _ in range(repetitions + 1):
        alone = time_once(comm, lambda: learn_all(learner, batch))
        pairs.append((alone, time_once(comm, coupled_step)))
    return pairs[1:]


def make_row(
    pairs: list[tuple[float, float]],
    selections: list[float],
    options: argparse.Namespace,
    ranks: int,
) -> Row:
    """Return medians of steps and selections; of steps that were not measured the given one."""
    alone, coupled = zip(*pairs, strict=True)
    low, high = np.quantile(selections, [0.1, 0.9])
    steps = ("", "", "")
    if not options.selection_only:
        by_alone = ratios(coupled, alone)
        steps = (middle(coupled, 3), middle(by_alone, 3), span(by_alone, 3))
    values = (
        str(ranks), options.model, str(options.batch), middle(alone, 3), *steps,
        middle(selections, 6), f"{low:.6f} to {high:.6f}",
        f"{100 * median(selections) / median(coupled):.3f}",
    )  # fmt: skip
    return dict(zip(FIELDS, values, strict=True))


def describe(ranks: int, pairs: int, selections: int) -> str:
    """Return the conditions."""
    shared = ", oversubscribed" if ranks > machine()["cores"] else ""
    measured = (
        f"{ranks} ranks of one thread{shared}; {pairs} alternations, {selections} selections (median, "
        "10th to 90th percentile). `uncoupled_seconds` is the slower of the two models' own steps at "
        "the same time, or the step that the selection is compared with."
    )
    return describe_conditions(measured, f"OMP_NUM_THREADS=1 mpiexec -n {ranks} python -m mpi4py")


if __name__ == "__main__":
    main()
