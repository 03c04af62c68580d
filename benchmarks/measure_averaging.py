"""Time the averaging of gradients: algorithms, message sizes, width, and what backward hides of it.

OMP_NUM_THREADS=1 PYTHONPATH=workflow/scripts mpiexec -n 2 python -m mpi4py \
    benchmarks/measure_averaging.py --output benchmarks/averaging_epyc

`alone` sums all gradients of a model without computing; `exposed` is the time a step waits after
its backward pass. Every round measures all variants once, in turn.
"""

import argparse
import itertools
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import torch

from mct.comm import Comm, sum_array, world
from mct.compute import choose_compute, hardware, versions
from mct.learner import Learner
from mct.models import build_architecture
from mct.settings import ExecutionSettings, ImageSettings, OptimizerSettings
from mct.training import batch_loss

MIB, SIZE, CLASSES = 1 << 20, 224, 14
IMAGES = ImageSettings(size=SIZE, augmentation="none", mean=(0.5,) * 3, std=(0.25,) * 3)
FIELDS = ("model", "allreduce", "wire", "bucket_mib", "alone_seconds", "alone_range",
          "step_seconds", "exposed_seconds", "exposed_percent")  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """One way to average; `steps` are measured too where `in_step`."""

    model: str
    allreduce: str
    wire: str
    bucket_mib: int
    in_step: bool


def variants(models: list[str]) -> list[Variant]:
    """Return algorithms and widths at the default bucket, then other buckets for MPI's sum."""
    ways = [("mpi", "float32"), *itertools.product(
        ("ring", "reduce_scatter_allgather", "recursive"), ("float32", "bfloat16")
    ), ("gloo", "float32")]  # fmt: skip
    found = []
    for model in models:
        found += [Variant(model, *way, 4, True) for way in ways]
        found += [Variant(model, "mpi", "float32", bucket, True) for bucket in (1, 16, 64)]
    return found


class Measurement:
    """A learner averaged in one way, and the seconds of its rounds."""

    def __init__(self, variant: Variant, comm: Comm, batch: int) -> None:
        self.variant, self._comm = variant, comm
        execution = ExecutionSettings(
            bucket_bytes=variant.bucket_mib * MIB, allreduce=variant.allreduce
        )
        optimizer = OptimizerSettings(
            momentum=0.9, nesterov=True, weight_decay=0.0, batch_size=batch * comm.size,
            gradient_wire=variant.wire,
        )  # fmt: skip
        self.learner = Learner(
            build_architecture(variant.model, CLASSES),
            compute=choose_compute("auto", execution), comm=comm, images=IMAGES,
            optimizer=optimizer, execution=execution,
        )  # fmt: skip
        self._images = torch.randint(0, 256, (batch, 3, SIZE, SIZE), dtype=torch.uint8).to(
            memory_format=torch.channels_last
        )
        self.alone: list[float] = []
        self.steps: list[float] = []
        self.exposed: list[float] = []

    def average(self) -> None:
        """Average once without a backward pass."""
        self.learner.gradients.begin()
        self._comm.Barrier()
        began = perf_counter()
        self.learner.gradients.finish()
        self.alone.append(perf_counter() - began)

    def step(self, key: int) -> None:
        """Make one step."""
        labels = torch.zeros(len(self._images), dtype=torch.int64)
        waited = self.learner.gradients.waited_seconds
        self._comm.Barrier()
        began = perf_counter()
        logits = self.learner.forward(self._images, key)
        self.learner.update(batch_loss(logits, labels, len(labels) * self._comm.size), 0.01)
        self.steps.append(perf_counter() - began)
        self.exposed.append(self.learner.gradients.waited_seconds - waited)

    def row(self) -> dict[str, object]:
        """Return medians over the rounds; waiting is the mean over ranks. Collective."""
        exposed = torch.tensor([median(self.exposed)]).double().numpy()
        waited = float(sum_array(self._comm, exposed)[0]) / self._comm.size
        variant, step = self.variant, median(self.steps)
        return dict(zip(FIELDS, (
            variant.model, variant.allreduce, variant.wire, variant.bucket_mib,
            f"{median(self.alone):.4f}", f"{min(self.alone):.4f} to {max(self.alone):.4f}",
            f"{step:.3f}", f"{waited:.4f}", f"{100 * waited / step:.1f}",
        ), strict=True))  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["alexnet", "resnet50"])
    parser.add_argument("--batch", type=int, default=8, help="samples a rank")
    parser.add_argument("--rounds", type=int, default=5, help="sums alone, after one of warm-up")
    parser.add_argument("--steps", type=int, default=3, help="steps, after one of warm-up")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    comm = world()
    rows = []
    for model in options.models:
        measured = [Measurement(v, comm, options.batch) for v in variants([model])]
        for _ in range(options.rounds + 1):
            for measurement in measured:
                measurement.average()
        for number, measurement in itertools.product(range(options.steps + 1), measured):
            measurement.step(number)
        for measurement in measured:
            for series in (measurement.alone, measurement.steps, measurement.exposed):
                del series[0]
            rows.append(measurement.row())
    if comm.rank == 0:
        write(rows, options, comm.size)


def write(rows: list[dict[str, object]], options: argparse.Namespace, ranks: int) -> None:
    """Write the table, and a page with the conditions."""
    lines = ["\t".join(FIELDS), *("\t".join(map(str, row.values())) for row in rows)]
    options.output.with_suffix(".tsv").write_text("\n".join(lines) + "\n")
    machine = hardware(choose_compute("auto", ExecutionSettings()))
    table = [f"| {line.replace(chr(9), ' | ')} |" for line in lines]
    table.insert(1, "|" + " --- |" * len(FIELDS))
    page = [
        "# Averaging of gradients", "",
        f"`mpiexec -n {ranks} python -m mpi4py {' '.join(sys.argv)}`", "", *table, "",
        f"{ranks} ranks of one thread on {machine['cores']} cores ({machine['processor']}), "
        f"{machine['precision']}, {options.batch} samples of {SIZE} pixels a rank; "
        f"medians of {options.rounds} sums alone and {options.steps} steps, all variants in turn; "
        + ", ".join(f"{name} {number}" for name, number in versions().items()) + ".", "",
        "`exposed_seconds` is the wait after the backward pass, the mean over ranks; it includes",
        "waiting for the slower rank.",
    ]  # fmt: skip
    options.output.with_suffix(".md").write_text("\n".join(page) + "\n")


if __name__ == "__main__":
    main()
