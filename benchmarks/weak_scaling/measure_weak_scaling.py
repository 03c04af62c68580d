"""Two ranks beside one: pretraining steps of the same batch a rank, one core each, in turn.

OMP_NUM_THREADS=1 mpiexec -n 2 python -m mpi4py \
    -m benchmarks.weak_scaling.measure_weak_scaling --output benchmarks/weak_scaling/weak_scaling

In each round rank 0 first steps alone while the other ranks sleep, and then all ranks step
together. `speed_up` is the samples a second of all ranks over those of one.
"""

import argparse
import gc
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

import numpy as np

from benchmarks.shared.conditions import describe_conditions
from benchmarks.shared.figures import middle, ratios, span
from mct.data.settings import ImageSettings
from mct.learning.learner import Learner
from mct.learning.models import build_architecture
from mct.learning.settings import OptimizerSettings
from mct.parallel.comm import Comm, sum_array, world
from mct.performance.rehearsal import learn_all, random_batch, random_set, time_once
from mct.results.tables import write_table
from mct.stage.compute import choose_compute
from mct.stage.settings import ExecutionSettings

CLASSES = 14
CASES = {"cifar_resnet18": (32, 128), "alexnet": (224, 64), "resnet50": (224, 16)}
"""Pixels, and samples a rank."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--precisions", nargs="+", default=["bfloat16", "float32"])
    parser.add_argument("--rounds", type=int, default=7, help="after one of warm-up")
    parser.add_argument("--output", type=Path, required=True, help="results, without ending")
    options = parser.parse_args()
    comm, rows = world(), []
    for model in options.models:
        for precision in options.precisions:
            rows.append(measure(comm, model, precision, options.rounds))
            gc.collect()  # a learner and its hooks hold each other
    if comm.rank == 0:
        write_table(rows, options.output.with_suffix(".tsv"), caption(comm, options.rounds))


def measure(comm: Comm, model: str, precision: str, rounds: int) -> dict[str, str]:
    """Return the row of a model. Collective."""
    size, samples = CASES[model]
    single = make_learner(comm.Split(comm.rank), model, precision)
    shared = make_learner(comm, model, precision)
    small = random_batch(random_set(samples, CLASSES), size, 1, 0)
    large = random_batch(random_set(samples * comm.size, CLASSES), size, comm.size, comm.rank)
    alone, together, waits = [], [], []
    for _ in range(rounds + 1):
        began = perf_counter()
        if comm.rank == 0:
            learn_all(single, small)
        alone.append(perf_counter() - began)
        wait_asleep(comm)
        waited = shared.gradients.waited_seconds
        together.append(time_once(comm, lambda: learn_all(shared, large)))
        waits.append(shared.gradients.waited_seconds - waited)
    alone, together = alone[1:], together[1:]
    ups = [comm.size * ratio for ratio in ratios(alone, together)]
    exposed = float(sum_array(comm, np.array([median(waits[1:])]))[0]) / comm.size
    return {
        "model": model, "precision": precision, "ranks": str(comm.size),
        "samples_per_rank": str(samples), "one_rank_seconds": middle(alone, 3),
        "all_ranks_seconds": middle(together, 3), "speed_up": middle(ups, 3),
        "speed_up_range": span(ups, 3),
        "exposed_averaging_percent": f"{100 * exposed / median(together):.1f}",
    }  # fmt: skip


def make_learner(comm: Comm, model: str, precision: str) -> Learner:
    """Return a model on the ranks of `comm`. Collective."""
    execution = ExecutionSettings()
    optimizer = OptimizerSettings(momentum=0.9, nesterov=True, weight_decay=5e-4, batch_size=1)
    images = ImageSettings(
        size=CASES[model][0], augmentation="none", mean=(0.5,) * 3, std=(0.25,) * 3
    )
    return Learner(
        build_architecture(model, CLASSES), compute=choose_compute(precision, execution),
        comm=comm, images=images, optimizer=optimizer, execution=execution,
    )  # fmt: skip


def wait_asleep(comm: Comm) -> None:
    """Wait for all ranks without keeping a core busy. Collective."""
    request = comm.Ibarrier()
    while not request.Test():
        sleep(0.001)


def caption(comm: Comm, rounds: int) -> str:
    """Return the conditions."""
    measured = (
        f"{comm.size} ranks of one thread; medians of {rounds} rounds, in each one rank alone and then "
        "all. Exposed averaging is the wait after the backward pass, mean over ranks; it includes "
        "waiting for the slower rank."
    )
    launcher = f"OMP_NUM_THREADS=1 mpiexec -n {comm.size} python -m mpi4py"
    return describe_conditions(measured, launcher)


if __name__ == "__main__":
    main()
