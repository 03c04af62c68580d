"""Time what coupling adds to a step: the coupled step against each model's own, and the selection.

OMP_NUM_THREADS=1 PYTHONPATH=workflow/scripts mpiexec -n 2 python -m mpi4py \
    benchmarks/measure_coupling.py --output benchmarks/coupling_epyc_2

Coupled and uncoupled steps alternate on the same batch. With more ranks than cores only the
selection is measured (`--selection-only`): allgather, ranking and masks.
"""

import argparse
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch

from mct.comm import Topology, split_world, start_gather, wait_for, world
from mct.compute import choose_compute, hardware, versions
from mct.coupling import Coupling, Selector
from mct.imagesets import ImageSet
from mct.learner import Learner
from mct.loading import Batch
from mct.models import build_architecture
from mct.partition import GlobalBatch, block
from mct.progress import Progress
from mct.settings import (
    CalibrationSettings,
    ExecutionSettings,
    ImageSettings,
    ModelSettings,
    OptimizerSettings,
)
from mct.training import train_step

CLASSES = 14
NOISE = {"rate": 0.4, "upper": 0.4}
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
    settings = make_settings(options, topology.pairs)
    batch, image_set = make_batch(options, topology), make_set(options, topology)
    selections = time_selections(topology, settings, image_set, batch, options.selections)
    pairs = (
        [(options.selection_only,) * 2]
        if options.selection_only
        else time_steps(topology, settings, image_set, batch, options)
    )
    if topology.world_comm.rank == 0:
        write(pairs, selections, options, topology.world_comm.size)
    topology.free()


def make_settings(options: argparse.Namespace, pairs: int) -> CalibrationSettings:
    """Return a calibration of the paper's form."""
    return CalibrationSettings(
        images=ImageSettings(
            size=options.size, augmentation="none", mean=(0.5,) * 3, std=(0.25,) * 3
        ),
        model=ModelSettings(name=options.model, initial_weights=None, precision="auto"),
        optimizer=OptimizerSettings(
            momentum=0.9, nesterov=True, weight_decay=5e-4, batch_size=options.batch * pairs
        ),
        epochs=1, learning_rate=0.01, schedule="linear", soft_target_weight=0.5,
        temperature=2.0, targets="soft", selection="global", selector="pair", seed=0,
    )  # fmt: skip


def make_set(options: argparse.Namespace, topology: Topology) -> ImageSet:
    """Return the labels of a set; its pictures are never read."""
    samples = options.batch * topology.pairs
    nothing, labels = np.zeros(samples, np.int64), np.arange(samples) % CLASSES
    return ImageSet(
        shards=[], shard=nothing, index=nothing, sample=np.arange(samples), label=labels,
        observed=labels, true=labels, in_clean=nothing.astype(bool), classes=CLASSES,
    )  # fmt: skip


def make_batch(options: argparse.Namespace, topology: Topology) -> Batch:
    """Return this rank's block of random pictures."""
    samples = options.batch * topology.pairs
    start, stop = block(samples, topology.pairs, topology.group_comm.rank)
    images = torch.randint(
        0, 256, (stop - start, 3, options.size, options.size), dtype=torch.uint8
    ).contiguous(memory_format=torch.channels_last)
    return Batch(
        plan=GlobalBatch(step=0, epoch=0, start=0, stop=samples), positions=np.arange(samples),
        start=start, stop=stop, images=images, labels=torch.arange(start, stop) % CLASSES,
    )  # fmt: skip


def time_selections(
    topology: Topology, settings: CalibrationSettings, image_set: ImageSet, batch: Batch, count: int
) -> list[float]:
    """Return the seconds of allgather, ranking and masks, all ranks starting together."""
    selector = Selector(settings, NOISE, image_set.observed, topology.pairs)
    generator = np.random.default_rng(topology.world_comm.rank)
    seconds = []
    for _ in range(count):
        own = generator.random(batch.stop - batch.start, np.float32)
        topology.world_comm.Barrier()
        began = perf_counter()
        request, both = start_gather(topology, own, batch.plan.size)
        wait_for([request])
        selector.decide(both, batch)
        seconds.append(perf_counter() - began)
    return seconds


def time_steps(
    topology: Topology, settings: CalibrationSettings, image_set: ImageSet, batch: Batch,
    options: argparse.Namespace,
) -> list[tuple[float, float]]:  # fmt: skip
    """Return seconds of (the slower model's own step, the coupled step) of each repetition."""
    execution = ExecutionSettings()
    learner = Learner(
        build_architecture(options.model, CLASSES), compute=choose_compute("auto", execution),
        comm=topology.group_comm, images=settings.images, optimizer=settings.optimizer,
        execution=execution, seed=(0, topology.role),
    )  # fmt: skip
    progress = Progress("benchmark", total_samples=1)
    coupling = Coupling(learner, topology, image_set, settings, NOISE, progress)
    steps = (
        lambda: train_step(learner, batch, 1e-4),
        lambda: coupling.step(batch, 1e-4),
    )
    seconds = []
    for _ in range(options.repetitions + 1):
        pair = []
        for step in steps:
            topology.world_comm.Barrier()
            began = perf_counter()
            step()
            pair.append(max(topology.world_comm.allgather(perf_counter() - began)))
        seconds.append((pair[0], pair[1]))
    return seconds[1:]


def write(
    pairs: list[tuple[float, float]],
    selections: list[float],
    options: argparse.Namespace,
    ranks: int,
) -> None:
    """Write the table, and a page with the conditions."""
    ratios = [coupled / alone for alone, coupled in pairs]
    alone, coupled = (median(column) for column in zip(*pairs, strict=True))
    low, high = np.quantile(selections, [0.1, 0.9])
    is_measured = not options.selection_only
    values = (
        ranks, options.model, options.batch, f"{alone:.3f}",
        f"{coupled:.3f}" if is_measured else "", f"{median(ratios):.3f}" if is_measured else "",
        f"{min(ratios):.3f} to {max(ratios):.3f}" if is_measured else "",
        f"{median(selections):.6f}", f"{low:.6f} to {high:.6f}",
        f"{100 * median(selections) / coupled:.3f}",
    )  # fmt: skip
    lines = ["\t".join(FIELDS), "\t".join(map(str, values))]
    options.output.with_suffix(".tsv").write_text("\n".join(lines) + "\n")
    machine = hardware(choose_compute("auto", ExecutionSettings()))
    table = [f"| {line.replace(chr(9), ' | ')} |" for line in lines]
    table.insert(1, "|" + " --- |" * len(FIELDS))
    page = [
        "# What coupling adds to a step", "",
        f"`mpiexec -n {ranks} python -m mpi4py {' '.join(sys.argv)}`", "", *table, "",
        f"{ranks} ranks of one thread on {machine['cores']} cores ({machine['processor']})"
        + (", oversubscribed" if ranks > int(machine["cores"]) else "")
        + f", {machine['precision']}; {len(pairs)} alternations, {len(selections)} selections (median, "
        "10th to 90th percentile); "
        + ", ".join(f"{name} {number}" for name, number in versions().items()) + ".", "",
        "`uncoupled_seconds` is the slower of the two models' own steps at the same time, or the",
        "step that the selection is compared with.",
    ]  # fmt: skip
    options.output.with_suffix(".md").write_text("\n".join(page) + "\n")


if __name__ == "__main__":
    main()
