"""Time mini-batches of a training with and without prefetch, on some MPI ranks."""

import json
from pathlib import Path

from mct.base.partition import Share
from mct.data.imagesets import open_set
from mct.data.loading import BatchReader
from mct.learning.learner import Learner
from mct.learning.models import build_model
from mct.learning.settings import TrainingSettings
from mct.parallel.comm import Comm, check_world_size, count_cores, world
from mct.performance.rehearsal import time_depths
from mct.stage import entry
from mct.stage.compute import Compute, hardware, versions
from mct.stage.rank_compute import choose_for_ranks
from mct.stage.record import write_record
from mct.stage.settings import ExecutionSettings


def main() -> None:
    arguments = entry.options(
        __doc__, ranks=int, settings=str, execution=str, noisy=Path, steps=int, output=Path
    )
    comm = world()
    check_world_size(comm, arguments.ranks)
    settings = entry.read_settings(TrainingSettings, arguments.settings)
    execution = entry.read_settings(ExecutionSettings, arguments.execution)
    compute = choose_for_ranks(settings.model.precision, execution, comm)
    image_set = open_set("noisy", arguments.noisy)
    learner = make_learner(settings, image_set.classes, execution, compute, comm)
    reader = BatchReader(
        image_set, settings.images, seed=settings.seed, shuffle_window=settings.shuffle_window,
        share=Share(ranks=comm.size, rank=comm.rank, threads=execution.decoding_threads),
    )  # fmt: skip
    batch_size = min(settings.optimizer.batch_size, len(image_set))
    depths = (0, max(1, execution.prefetch_batches))
    times = time_depths(comm, learner, reader, len(image_set), batch_size, depths, arguments.steps)
    cores = count_cores(comm)
    if comm.rank == 0:
        facts = {"ranks": comm.size, "cores": cores, "depths": times}
        facts |= {"batch_size": batch_size, "samples": len(image_set), "settings": settings}
        facts |= {"execution": json.loads(arguments.execution)}
        facts |= {"hardware": hardware(compute), "versions": versions()}
        write_record(arguments.output, facts)


def make_learner(
    settings: TrainingSettings,
    classes: int,
    execution: ExecutionSettings,
    compute: Compute,
    comm: Comm,
) -> Learner:
    """Return the model of a training on all ranks. Collective."""
    return Learner(
        build_model(settings.model, classes, settings.images.size, settings.seed),
        compute=compute, comm=comm, images=settings.images, optimizer=settings.optimizer,
        execution=execution,
    )  # fmt: skip


if __name__ == "__main__":
    entry.run(main)
