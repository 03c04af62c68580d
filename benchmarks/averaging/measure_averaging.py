"""Time the averaging of gradients: algorithms, message sizes, width, and what backward hides of it.

OMP_NUM_THREADS=1 mpiexec -n 2 python -m mpi4py \
    -m benchmarks.averaging.measure_averaging --output benchmarks/averaging/averaging

`alone` sums all gradients of a model without computing, all variants in turn; `exposed` is the time
a step waits after its backward pass, one variant after the other for the sake of memory.
"""

import argparse
import gc
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch

from benchmarks.shared.conditions import describe_conditions
from benchmarks.shared.figures import middle, span
from mct.data.settings import ImageSettings
from mct.learning.learner import WIRES, Learner
from mct.learning.losses import cross_entropy
from mct.learning.models import build_architecture
from mct.learning.settings import OptimizerSettings
from mct.parallel.comm import Comm, sum_array, world
from mct.parallel.gradients import group_by_bytes
from mct.parallel.transport import Sum, choose_transport
from mct.results.tables import write_table
from mct.stage.compute import choose_compute
from mct.stage.settings import ExecutionSettings

MIB, SIZE, CLASSES = 1 << 20, 224, 14
IMAGES = ImageSettings(size=SIZE, augmentation="none", mean=(0.5,) * 3, std=(0.25,) * 3)
FIELDS = ("model", "allreduce", "wire", "bucket_mib", "alone_seconds", "alone_range",
          "step_seconds", "exposed_seconds", "exposed_percent")  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """One way to average the gradients of a model."""

    model: str
    allreduce: str
    wire: str
    bucket_mib: int


def variants(model: str) -> list[Variant]:
    """Return algorithms and widths at the default bucket, then other buckets for MPI's sum."""
    ways = [("mpi", "float32"), *itertools.product(
        ("ring", "reduce_scatter_allgather"), ("float32", "bfloat16")
    ), ("gloo", "float32")]  # fmt: skip
    found = [Variant(model, *way, 4) for way in ways]
    return found + [Variant(model, "mpi", "float32", bucket) for bucket in (1, 16, 64)]


@dataclass
class Measured:
    """The seconds of a variant's rounds."""

    alone: list[float] = field(default_factory=list)
    steps: list[float] = field(default_factory=list)
    exposed: list[float] = field(default_factory=list)

    def row(self, variant: Variant, comm: Comm) -> dict[str, str]:
        """Return medians without the warm-up; waiting is the mean over ranks. Collective."""
        alone, step = self.alone[1:], median(self.steps[1:])
        exposed = np.array([median(self.exposed[1:])])
        waited = float(sum_array(comm, exposed)[0]) / comm.size
        return dict(zip(FIELDS, (
            variant.model, variant.allreduce, variant.wire, str(variant.bucket_mib),
            middle(alone, 4), span(alone, 4),
            f"{step:.3f}", f"{waited:.4f}", f"{100 * waited / step:.1f}",
        ), strict=True))  # fmt: skip


def sums_of(variant: Variant, comm: Comm, lengths: list[int], memory: torch.Tensor) -> list[Sum]:
    """Return sums of buckets of so many values, all in the same memory. Collective."""
    transport = choose_transport(comm, variant.allreduce, torch.device("cpu"), WIRES[variant.wire])
    return [transport.prepare(part, n) for n, part in enumerate(memory.split(lengths))]


def time_alone(found: list[Variant], comm: Comm, rounds: int) -> list[Measured]:
    """Time sums of all gradients of a model, without computing. Collective."""
    parameters = list(build_architecture(found[0].model, CLASSES).parameters())[::-1]
    memory = torch.zeros(sum(p.numel() for p in parameters))
    sums, measured = [], [Measured() for _ in found]
    for variant in found:
        groups = group_by_bytes(parameters, variant.bucket_mib * MIB)
        lengths = [sum(p.numel() for p in group) for group in groups]
        sums.append(sums_of(variant, comm, lengths, memory))
    for _, (ours, record) in itertools.product(
        range(rounds + 1), list(zip(sums, measured, strict=True))
    ):
        comm.Barrier()
        began = perf_counter()
        for part in ours:
            part.start()
        for part in ours:
            part.finish()
        record.alone.append(perf_counter() - began)
    return measured


def time_steps(variant: Variant, comm: Comm, batch: int, steps: int, record: Measured) -> None:
    """Time steps of a learner that averages in one way. Collective."""
    execution = ExecutionSettings(
        bucket_bytes=variant.bucket_mib * MIB, allreduce=variant.allreduce
    )
    optimizer = OptimizerSettings(
        momentum=0.9, nesterov=True, weight_decay=0.0, batch_size=batch * comm.size,
        gradient_wire=variant.wire,
    )  # fmt: skip
    learner = Learner(
        build_architecture(variant.model, CLASSES), compute=choose_compute("auto", execution),
        comm=comm, images=IMAGES, optimizer=optimizer, execution=execution,
    )  # fmt: skip
    images = torch.randint(0, 256, (batch, 3, SIZE, SIZE), dtype=torch.uint8)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.zeros(batch, dtype=torch.int64)
    for number in range(steps + 1):
        waited = learner.gradients.waited_seconds
        comm.Barrier()
        began = perf_counter()
        loss = cross_entropy(learner.forward(images, key=number), labels)
        learner.update(loss.sum() / (batch * comm.size), 0.01)
        record.steps.append(perf_counter() - began)
        record.exposed.append(learner.gradients.waited_seconds - waited)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["alexnet", "resnet50"])
    parser.add_argument("--batch", type=int, default=8, help="samples a rank")
    parser.add_argument("--rounds", type=int, default=5, help="sums alone, after one of warm-up")
    parser.add_argument("--steps", type=int, default=3, help="steps, after one of warm-up")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    comm = world()
    choose_compute("auto", ExecutionSettings())
    rows = []
    for model in options.models:
        found = variants(model)
        for variant, record in zip(found, time_alone(found, comm, options.rounds), strict=True):
            time_steps(variant, comm, options.batch, options.steps, record)
            gc.collect()  # a learner and its hooks hold each other
            rows.append(record.row(variant, comm))
            if comm.rank == 0:
                table = options.output.with_suffix(".tsv")
                write_table(rows, table, caption(options, comm.size))


def caption(options: argparse.Namespace, ranks: int) -> str:
    """Return the conditions."""
    measured = (
        f"{ranks} ranks of one thread, {options.batch} samples of {SIZE} pixels a rank; medians of "
        f"{options.rounds} sums alone (all variants in turn) and {options.steps} steps. "
        "`exposed_seconds` is the wait after the backward pass, the mean over ranks; it includes "
        "waiting for the slower rank."
    )
    return describe_conditions(measured, f"OMP_NUM_THREADS=1 mpiexec -n {ranks} python -m mpi4py")


if __name__ == "__main__":
    main()
