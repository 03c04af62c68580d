"""Train one model alone, as an MPI job: pretraining of Ma or Mp, or a baseline."""

from pathlib import Path

from mct.base.roles import Role, model_seed
from mct.data.held_out import split_off
from mct.data.imagesets import open_set
from mct.data.label_table import read_index
from mct.learning.learner import Learner
from mct.learning.loop import train
from mct.learning.objectives import build_objective
from mct.learning.plan import plan_training
from mct.learning.precision import with_measured
from mct.learning.settings import TrainingSettings
from mct.learning.training import ModelTraining, dropout_seed, start_model, training_reader
from mct.learning.validation import Validation
from mct.stage import entry
from mct.stage.session import OPTIONS, Session


def main() -> None:
    files = dict.fromkeys(("initial", "start", "evidence"), tuple)
    arguments = entry.options(__doc__, **OPTIONS, role=Role, labels=Path, **files)
    settings = entry.read_settings(TrainingSettings, arguments.settings)
    settings, role = with_measured(settings, arguments.precision), arguments.role
    labels, seed = arguments.labels, model_seed(settings.seed, role)
    inputs = (labels, *arguments.initial, *arguments.start, *arguments.evidence)
    with Session(arguments, Path(__file__), inputs, settings.model.precision) as session:
        features, sizes = settings.images.stores_features, read_index(labels)["samples"]
        image_set = open_set(settings.training_set, labels, features=features)
        image_set, _ = split_off(image_set, settings.held_out, settings.seed)
        plan = plan_training(settings, sizes, len(image_set))
        model = start_model(settings, image_set.classes, seed, arguments.initial, arguments.start)
        learner = session.own(Learner(
            model, compute=session.compute, comm=session.world, images=settings.images,
            optimizer=settings.optimizer, execution=session.execution,
            seed=dropout_seed(settings, seed),
        ))  # fmt: skip
        given, constant = arguments.evidence, plan.constant_samples
        objective = build_objective(settings, image_set, session.world, given, constant)
        training = ModelTraining(learner, plan, objective, settings=settings, role=role)
        reader = training_reader(session, training, image_set, labels)
        validation = Validation.open(labels, settings.images, session.execution, plan)
        train(training, reader, session, validation)


if __name__ == "__main__":
    entry.run(main)
