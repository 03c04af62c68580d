"""Time steps of calibration, sums of gradients and gatherings of confidences on some MPI ranks."""

import json
from pathlib import Path
from typing import Any

from mct.base.architectures import check_input_size
from mct.parallel.comm import Topology, check_world_size, count_cores, split_world, world
from mct.performance.rehearsal import count_parameters, time_averages, time_gatherings, time_steps
from mct.performance.settings import ScalingSettings
from mct.stage import entry
from mct.stage.compute import choose_compute, hardware, versions
from mct.stage.record import write_record
from mct.stage.settings import ExecutionSettings


def main() -> None:
    arguments = entry.options(__doc__, ranks=int, settings=str, execution=str, output=Path)
    comm = world()
    check_world_size(comm, arguments.ranks)
    topology = split_world(comm)
    settings = entry.read_settings(ScalingSettings, arguments.settings)
    check_input_size(settings.model, settings.size, "scaling.size")
    execution = entry.read_settings(ExecutionSettings, arguments.execution)
    facts = {"ranks": comm.size, "cores": count_cores(comm), "settings": settings}
    facts |= {"execution": json.loads(arguments.execution)}
    facts |= measure(topology, settings, execution)
    facts |= {"hardware": hardware(choose_compute(settings.precision, execution))}
    facts |= {"versions": versions()}
    if comm.rank == 0:
        write_record(arguments.output, facts)
    topology.free()


def measure(
    topology: Topology, settings: ScalingSettings, execution: ExecutionSettings
) -> dict[str, Any]:
    """Return the global batches, and the times of steps, sums and gatherings. Collective."""
    batches = {
        "weak": settings.samples_per_rank * topology.pairs,
        "strong": max(settings.fixed_batch, topology.pairs),
    }
    return {
        "batches": batches,
        "steps": {
            name: time_steps(topology, settings, execution, size) for name, size in batches.items()
        },
        "parameters": count_parameters(settings.model, settings.classes),
        "averages": {
            name: time_averages(topology.world_comm, name, settings, execution)
            for name in settings.averaged_models
        },
        "gatherings": {
            str(samples): time_gatherings(topology, samples, 20 * settings.repeats)
            for samples in settings.gathered_samples
        },
    }


if __name__ == "__main__":
    entry.run(main)
