"""Train one model alone, as an MPI job: pretraining of Ma or Mp, or a baseline."""

from pathlib import Path

from mct.base.hdf5 import write_arrays
from mct.base.roles import clean_seed, model_seed, order_seed
from mct.data.clean_batches import open_clean_reader
from mct.data.imagesets import open_training_set, read_sizes
from mct.data.loading import BatchReader
from mct.learning.history import write_epochs
from mct.learning.learner import Learner
from mct.learning.models import build_model, initial_files, load_weights, save_weights
from mct.learning.objectives import build_objective
from mct.learning.settings import TrainingSettings
from mct.learning.training import Training, constant_samples, plan_training, summarise
from mct.parallel.comm import check_world_size, world
from mct.stage import entry
from mct.stage.checkpoint import Checkpoints, hold_stage, kept_execution, stage_folder
from mct.stage.compute import choose_for_ranks
from mct.stage.progress import Progress
from mct.stage.record import training_record, write_record


def main() -> None:
    arguments = entry.options(
        __doc__, stage=str, role=str, ranks=int, settings=str, execution=Path,
        noisy=Path, clean=Path, start=tuple, evidence=tuple, checkpoints=Path, output=Path,
    )  # fmt: skip
    comm = world()
    check_world_size(comm, arguments.ranks)
    settings = entry.read_settings(TrainingSettings, arguments.settings)
    indices = {"noisy": arguments.noisy, "clean": arguments.clean}
    given = (*arguments.start, *arguments.evidence, *initial_files(settings.model))
    saved = stage_folder(arguments, Path(__file__), (*indices.values(), *given))
    lock = hold_stage(comm, saved.parent)
    execution = kept_execution(comm, saved, entry.read_execution(arguments.execution))
    compute = choose_for_ranks(settings.model.precision, execution, comm)
    image_set = open_training_set(settings.training_set, indices)
    sizes = read_sizes(indices)
    plan = plan_training(settings, sizes, len(image_set))
    seed = model_seed(settings.seed, arguments.role)
    model = build_model(settings.model, image_set.classes, settings.images.size, seed)
    for weights in arguments.start:
        load_weights(model, weights)
    learner = Learner(
        model, compute=compute, comm=comm, images=settings.images, optimizer=settings.optimizer,
        execution=execution, seed=(1, seed),
    )  # fmt: skip
    reader = BatchReader(
        image_set, settings.images, ranks=comm.size, rank=comm.rank, threads=execution.decoding_threads,
        seed=order_seed(settings.seed, stage=1), shuffle_window=settings.shuffle_window,
    )  # fmt: skip
    clean_reader = open_clean_reader(
        arguments.clean, settings.images, count=settings.clean_per_batch,
        seed=clean_seed(settings.seed, 1, arguments.role),
        ranks=comm.size, rank=comm.rank, threads=execution.decoding_threads,
    )  # fmt: skip
    evidence, before = next(iter(arguments.evidence), None), constant_samples(settings, sizes)
    objective = build_objective(settings, image_set, comm, evidence, before)
    told = saved.parent if comm.rank == 0 else None
    progress = Progress(arguments.stage, total_samples=plan.samples, folder=told)
    checkpoints = Checkpoints(
        saved, execution, world_comm=comm, model_comm=comm, role=arguments.role
    )
    training = Training(learner, reader, clean_reader, objective, plan, progress)
    history = training.run(checkpoints, execution.prefetch_batches)
    if comm.rank == 0:
        folder = arguments.output
        write_arrays(folder / "history.h5", history.arrays(), {"axes": "step"})
        write_epochs(folder / "epochs.tsv", history, plan.epochs(), summarise)
        record = training_record(settings, comm.size, compute, progress, plan.samples_seen)
        write_record(folder / "record.json", {**record, **learner.summary()})
        save_weights(learner.model, folder / f"{arguments.role}.safetensors")
    checkpoints.remove()
    del lock


if __name__ == "__main__":
    entry.run(main)
