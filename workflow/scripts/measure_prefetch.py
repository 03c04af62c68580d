"""Time mini-batches of a training with and without prefetch, on some MPI ranks."""

import json
from pathlib import Path
from typing import Any

from mct.base.partition import Share
from mct.data.imagesets import open_set
from mct.data.loading import BatchReader
from mct.learning.learner import Learner
from mct.learning.models import build_model
from mct.learning.precision import with_measured
from mct.learning.settings import TrainingSettings
from mct.parallel.comm import Comm, check_world_size, count_cores, world
from mct.performance.rehearsal import time_depths
from mct.stage import entry
from mct.stage.compute import hardware, versions
from mct.stage.rank_compute import choose_for_ranks
from mct.stage.record import write_record
from mct.stage.settings import ExecutionSettings


def main() -> None:
    arguments = entry.options(
        __doc__, ranks=int, settings=str, execution=str, labels=Path, precision=tuple, steps=int,
        output=Path,
    )  # fmt: skip
    comm = world()
    check_world_size(comm, arguments.ranks)
    settings = entry.read_settings(TrainingSettings, arguments.settings)
    settings = with_measured(settings, arguments.precision)
    execution = entry.read_settings(ExecutionSettings, arguments.execution)
    facts = {"ranks": comm.size, "cores": count_cores(comm), "settings": settings}
    facts |= {"execution": json.loads(arguments.execution)}
    facts |= measure(comm, settings, execution, arguments.labels, arguments.steps)
    if comm.rank == 0:
        write_record(arguments.output, facts)


def measure(
    comm: Comm, settings: TrainingSettings, execution: ExecutionSettings, labels: Path, steps: int
) -> dict[str, Any]:
    """Return the times of mini-batches at each depth of prefetch, and where they ran. Collective."""
    image_set = open_set("noisy", labels)
    compute = choose_for_ranks(settings.model.precision, execution, comm)
    learner = Learner(
        build_model(settings.model, image_set.classes, settings.images.size, settings.seed),
        compute=compute, comm=comm, images=settings.images, optimizer=settings.optimizer,
        execution=execution,
    )  # fmt: skip
    share = Share(
        ranks=comm.size, rank=comm.rank, threads=execution.decoding_threads,
        passes=settings.optimizer.accumulation,
    )  # fmt: skip
    reader = BatchReader(
        image_set, settings.images, seed=settings.seed, shuffle_window=settings.shuffle_window,
        share=share,
    )  # fmt: skip
    samples, depths = len(image_set), (0, max(1, execution.prefetch_batches))
    batch_size = min(settings.optimizer.batch_size, samples)
    times = time_depths(comm, learner, reader, samples, batch_size, depths, steps)
    facts = {"depths": times, "batch_size": batch_size, "samples": samples}
    return {**facts, "hardware": hardware(compute), "versions": versions()}


if __name__ == "__main__":
    entry.run(main)
