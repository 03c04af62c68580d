"""Calibrate a pretrained pair mutually, as one MPI job that splits its world in two groups."""

import json
from pathlib import Path

from mct import entry, methods
from mct.checkpoint import Checkpoints, kept_execution, stage_folder
from mct.comm import check_world_size, local_rank, split_world, world
from mct.compute import choose_compute
from mct.coupling import Coupling, pair_reader, plan_calibration, summarise
from mct.history import write_arrays, write_epochs
from mct.imagesets import indexed_files, open_set
from mct.learner import Learner
from mct.models import build_model, load_weights, save_weights
from mct.progress import Progress
from mct.record import training_record, write_record
from mct.settings import CalibrationSettings
from mct.watch import StageLock


def main() -> None:
    arguments = entry.options(
        __doc__, stage=str, ranks=int, settings=str, execution=Path, noisy=Path, noise=Path,
        auxiliary=Path, primary=Path, checkpoints=Path, output=Path,
    )  # fmt: skip
    world_comm = world()
    check_world_size(world_comm, arguments.ranks)
    topology = split_world(world_comm)
    settings = entry.read_settings(CalibrationSettings, arguments.settings)
    inputs = (arguments.noisy, arguments.noise, arguments.auxiliary, arguments.primary)
    saved = stage_folder(arguments, Path(__file__), inputs)
    execution = kept_execution(saved, entry.read_execution(arguments.execution))
    lock = StageLock(saved.parent) if world_comm.rank == 0 else None
    compute = choose_compute(settings.model.precision, execution, local_rank(world_comm))
    image_set = open_set("noisy", indexed_files(arguments.noisy))
    role = methods.ROLES[topology.role]
    model = build_model(settings.model, image_set.classes, settings.images.size, seed=0)
    load_weights(model, getattr(arguments, role))
    learner = Learner(
        model, compute=compute, comm=topology.group_comm, images=settings.images,
        optimizer=settings.optimizer, bucket_bytes=execution.bucket_bytes,
        seed=(2, methods.model_seed(settings.seed, role)),
    )  # fmt: skip
    plan = plan_calibration(settings, len(image_set))
    reader = pair_reader(topology, image_set, settings, execution)
    told = saved.parent if world_comm.rank == 0 else None
    progress = Progress(arguments.stage, total_samples=plan.samples, folder=told)
    coupling = Coupling(
        learner, topology, image_set, settings, json.loads(arguments.noise.read_text()), progress
    )
    checkpoints = Checkpoints(
        saved, execution, world_comm=world_comm, model_comm=topology.group_comm, role=role
    )
    coupling.run(reader, plan, checkpoints, execution.prefetch_batches)
    folder = arguments.output
    if world_comm.rank == 0:
        write_arrays(
            folder / "history.h5", coupling.history.arrays(), {"axes": "step, (Ma, Mp), class"}
        )
        write_arrays(
            folder / "samples.h5",
            coupling.record.arrays(image_set),
            {"axes": "epoch, sample, (Ma, Mp)"},
        )
        write_epochs(folder / "epochs.tsv", coupling.history, plan.epochs(), summarise)
        record = training_record(settings, world_comm.size, compute, progress, plan.samples)
        record |= {"pair_hosts": topology.pair_hosts, "shares_batches": reader.shares}
        write_record(folder / "record.json", record)
    if topology.group_comm.rank == 0:
        save_weights(learner.model, folder / f"{role}.safetensors")
    checkpoints.remove()
    reader.free()
    topology.free()
    del lock


if __name__ == "__main__":
    entry.run(main)
