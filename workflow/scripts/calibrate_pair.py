"""Calibrate a pretrained pair mutually, as one MPI job that splits its world in two groups."""

from pathlib import Path

from mct.base.files import read_json
from mct.base.roles import ROLES, clean_seed, model_seed
from mct.calibration.coupling import Coupling, pair_reader, plan_calibration
from mct.calibration.settings import CalibrationSettings
from mct.data.clean_batches import open_clean_reader
from mct.data.imagesets import indexed_files, open_set
from mct.labels.confusions import read_confusion
from mct.learning.learner import Learner
from mct.learning.models import load_model, save_weights
from mct.parallel.comm import check_world_size, split_world, world
from mct.stage import entry
from mct.stage.checkpoint import Checkpoints, hold_stage, kept_execution, stage_folder
from mct.stage.compute import choose_for_ranks
from mct.stage.progress import Progress
from mct.stage.record import training_record, write_record


def main() -> None:
    arguments = entry.options(
        __doc__, stage=str, ranks=int, settings=str, execution=Path, noisy=Path, clean=Path,
        noise=Path, confusion=Path, auxiliary=Path, primary=Path, checkpoints=Path, output=Path,
    )  # fmt: skip
    world_comm = world()
    check_world_size(world_comm, arguments.ranks)
    topology = split_world(world_comm)
    settings = entry.read_settings(CalibrationSettings, arguments.settings)
    names = ("noisy", "clean", "noise", "confusion", *ROLES)
    inputs = [getattr(arguments, name) for name in names]
    saved = stage_folder(arguments, Path(__file__), inputs)
    lock = hold_stage(world_comm, saved.parent)
    execution = kept_execution(world_comm, saved, entry.read_execution(arguments.execution))
    compute = choose_for_ranks(settings.model.precision, execution, world_comm)
    image_set = open_set("noisy", indexed_files(arguments.noisy))
    role = ROLES[topology.role]
    weights = getattr(arguments, role)
    model = load_model(settings.model, image_set.classes, settings.images.size, weights)
    learner = Learner(
        model, compute=compute, comm=topology.group_comm, images=settings.images,
        optimizer=settings.optimizer, execution=execution,
        seed=(2, model_seed(settings.seed, role)),
    )  # fmt: skip
    plans = {name: plan_calibration(settings, len(image_set), name) for name in ROLES}
    plan = plans[role]
    reader = pair_reader(topology, image_set, settings, execution)
    clean_reader = open_clean_reader(
        arguments.clean, settings.images, count=plan.clean_per_batch,
        seed=clean_seed(settings.seed, 2, role), ranks=topology.pairs,
        rank=topology.group_comm.rank, threads=execution.decoding_threads,
    )  # fmt: skip
    confusion = read_confusion(arguments.confusion) if settings.targets == "posterior" else None
    told = saved.parent if world_comm.rank == 0 else None
    progress = Progress(arguments.stage, total_samples=plan.samples, folder=told)
    noise = read_json(arguments.noise, "rate", "upper")
    coupling = Coupling(learner, topology, image_set, settings, noise, confusion, progress)
    checkpoints = Checkpoints(
        saved, execution, world_comm=world_comm, model_comm=topology.group_comm, role=role
    )
    coupling.run(reader, clean_reader, plan, checkpoints, execution.prefetch_batches)
    if world_comm.rank == 0:
        coupling.write(arguments.output, plan)
        seen = {f"samples_seen_{name}": each.samples_seen for name, each in plans.items()}
        record = training_record(settings, world_comm.size, compute, progress, plan.samples_seen)
        pairs = {"pair_hosts": topology.pair_hosts, "shares_batches": reader.shares}
        facts = {**record, **seen, **coupling.samples_learned(plans), **learner.summary(), **pairs}
        write_record(arguments.output / "record.json", facts)
    if topology.group_comm.rank == 0:
        save_weights(learner.model, arguments.output / f"{role}.safetensors")
    checkpoints.remove()
    reader.free()
    topology.free()
    del lock


if __name__ == "__main__":
    entry.run(main)
