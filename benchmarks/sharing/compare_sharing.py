r"""A pair that decodes half of each batch on each rank, beside both ranks decoding all of it.

mpiexec -n 2 python -m mpi4py -m benchmarks.sharing.compare_sharing --shards F/jpeg/ours \
    --output benchmarks/sharing/sharing

`--shards` is a folder that compare_loaders.py has made. Ranks read with one thread each, either as
fast as they can or between steps of ResNet-18 (random weights, float32, one thread a rank); runs
alternate. The time waited is that of the rank that waits longest.
"""

import argparse
import statistics
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from benchmarks.shared.conditions import describe_conditions
from benchmarks.shared.figures import middle, ratios
from mct.base.partition import plan_batches
from mct.calibration.reading import pair_reader
from mct.calibration.settings import CalibrationSettings
from mct.data.imagesets import ImageSet, open_set
from mct.data.loading import Prefetcher
from mct.data.settings import ImageSettings
from mct.learning.models import build_model
from mct.learning.settings import ModelSettings, OptimizerSettings
from mct.parallel.comm import Topology, split_world, world
from mct.results.tables import write_table
from mct.stage.settings import ExecutionSettings

IMAGES = ImageSettings(size=224, augmentation="resized_crop", mean=(0.5,) * 3, std=(0.25,) * 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    topology = split_world(world())
    image_set = open_set("noisy", options.shards / "labels.parquet")
    works = {
        "nothing": (options.batches, lambda images: None),
        "ResNet-18": (options.steps, training_step()),
    }
    rows = []
    for name, (batches, work) in works.items():
        runs: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
        for _ in range(options.repeats):
            for shared, measured in runs.items():
                measured.append(measure(topology, image_set, options, batches, work, shared))
        rows += [row(name, shared, runs, options.batch_size) for shared in runs]
    if world().rank == 0:
        write_table(rows, options.output.with_suffix(".tsv"), caption(options))


def training_step() -> Callable[[Tensor], None]:
    """Return a step of ResNet-18 on uint8 pictures."""
    settings = ModelSettings(name="resnet18", initial_weights=None, precision="float32")
    model = build_model(settings, 10, IMAGES.size, seed=0).to(memory_format=torch.channels_last)

    def step(images: Tensor) -> None:
        model(images.float().div_(255)).square().mean().backward()

    return step


def measure(
    topology: Topology,
    image_set: ImageSet,
    options: argparse.Namespace,
    count: int,
    work: Callable[[Tensor], None],
    shared: bool,
) -> tuple[float, float]:
    """Return seconds and seconds waited of a batch, the slower rank's. Collective."""
    reader = pair_reader(topology, image_set, settings(options.batch_size), execution(shared))
    assert reader.shares == shared
    prefetcher, plans = (
        Prefetcher(2, reader.cancel),
        plan_batches(10**6, len(image_set), options.batch_size),
    )
    batches = prefetcher.map(reader.read, plans)
    work(next(batches).images)
    topology.world_comm.Barrier()
    waited, began = prefetcher.waited_seconds, perf_counter()
    for batch in islice(batches, count):
        work(batch.images)
    seconds, waited = perf_counter() - began, prefetcher.waited_seconds - waited
    topology.world_comm.Barrier()
    batches.close()
    del batch, batches
    reader.free()
    return max(topology.world_comm.allgather(seconds)) / count, max(
        topology.world_comm.allgather(waited)
    ) / count


def settings(batch_size: int) -> CalibrationSettings:
    """Return settings of which the reader uses pictures, batch and seed."""
    return CalibrationSettings(
        images=IMAGES, epochs=1, learning_rate=0.1, schedule="linear", soft_target_weight=0.5,
        model=ModelSettings(name="resnet18", initial_weights=None, precision="float32"),
        optimizer=OptimizerSettings(momentum=0.9, nesterov=True, weight_decay=0.0, batch_size=batch_size),
        temperature=2.0, targets="soft", selection="global", selector="pair", seed=0,
    )  # fmt: skip


def execution(shared: bool) -> ExecutionSettings:
    """Return one thread a rank, with or without shared batches."""
    return ExecutionSettings(share_batches=shared)


def row(
    work: str, shared: bool, runs: dict[bool, list[tuple[float, float]]], batch: int
) -> dict[str, Any]:
    """Return medians of seconds and waiting, and the speed relative to reading apart."""
    speeds = ratios(*([seconds for seconds, _ in runs[kind]] for kind in (False, shared)))
    seconds, waited = (statistics.median(column) for column in zip(*runs[shared], strict=True))
    return {
        "between_batches": work, "batches": "shared" if shared else "read apart",
        "milliseconds_per_batch": f"{1e3 * seconds:.1f}",
        "waited_milliseconds_per_batch": f"{1e3 * waited:.2f}",
        "pictures_per_second": f"{batch / seconds:.0f}",
        "speed_by_apart": middle(speeds),
        "lowest": f"{min(speeds):.2f}", "highest": f"{max(speeds):.2f}", "runs": str(len(speeds)),
    }  # fmt: skip


def caption(options: argparse.Namespace) -> str:
    """Return what the table was measured on."""
    pictures = f"batches of {options.batch_size} JPEGs of 256 px as views of 224 px, two prefetched"
    measured = f"One pair, {pictures}."
    return describe_conditions(measured, "mpiexec -n 2 python -m mpi4py")


if __name__ == "__main__":
    main()
