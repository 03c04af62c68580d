"""Find out in which arithmetic a net learns faster, at an experiment's size and batch of a rank."""

from pathlib import Path
from typing import Any

import torch

from mct.learning.settings import LearnerSettings
from mct.learning.step_times import time_precisions
from mct.parallel.comm import Topology, check_world_size, split_world, world
from mct.stage import entry
from mct.stage.compute import hardware, versions
from mct.stage.rank_compute import choose_for_ranks
from mct.stage.record import write_record
from mct.stage.settings import ExecutionSettings


def main() -> None:
    arguments = entry.options(
        __doc__, ranks=int, settings=str, execution=Path, classes=int, samples=int, output=Path
    )
    comm = world()
    check_world_size(comm, arguments.ranks)
    settings = entry.read_settings(LearnerSettings, arguments.settings)
    execution = entry.read_execution(arguments.execution)
    topology = split_world(comm)
    facts = measure(topology, settings, execution, arguments.classes, arguments.samples)
    if comm.rank == 0:
        write_record(arguments.output, {**facts, "settings": settings, "versions": versions()})
    topology.free()


def measure(
    topology: Topology,
    settings: LearnerSettings,
    execution: ExecutionSettings,
    classes: int,
    samples: int,
) -> dict[str, Any]:
    """Return the faster arithmetic, and the seconds of a step in each that may be. Collective."""
    named = ("auto", "float32")
    best, plain = (choose_for_ranks(name, execution, topology.world_comm) for name in named)
    computes = [plain] if best.dtype == torch.float32 else [best, plain]
    seconds = time_precisions(
        topology, computes, settings, execution, classes=classes, samples=samples
    )
    times = {str(each.dtype)[6:]: time for each, time in zip(computes, seconds, strict=True)}
    return {
        "precision": min(times, key=times.__getitem__),
        "step_seconds": times,
        "samples": samples,
        "hardware": hardware(plain),
    }


if __name__ == "__main__":
    entry.run(main)
