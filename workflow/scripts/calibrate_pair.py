"""Calibrate a pretrained pair mutually, as one MPI job that splits its world in two groups."""

from argparse import Namespace
from pathlib import Path

from mct.base.roles import ROLES, model_seed
from mct.calibration.coupling import Coupling
from mct.calibration.evidence import Evidence
from mct.calibration.reading import calibration_reader
from mct.calibration.settings import CalibrationSettings
from mct.data.imagesets import ImageSet, open_set
from mct.learning.learner import Learner
from mct.learning.loop import train
from mct.learning.models import load_model
from mct.learning.precision import with_measured
from mct.learning.validation import Validation
from mct.parallel.comm import split_world
from mct.stage import entry
from mct.stage.session import OPTIONS, Session


def main() -> None:
    files = ("labels", "noise", "confusion", *ROLES)
    arguments = entry.options(__doc__, **OPTIONS, **dict.fromkeys(files, Path), strength=tuple)
    settings = entry.read_settings(CalibrationSettings, arguments.settings)
    settings = with_measured(settings, arguments.precision)
    inputs = [*(getattr(arguments, name) for name in files), *arguments.strength]
    with Session(arguments, Path(__file__), inputs, settings.model.precision) as session:
        topology = session.own(split_world(session.world))
        role, features = topology.role, settings.images.stores_features
        image_set = open_set("noisy", arguments.labels, features=features)
        weights = getattr(arguments, role)
        model = load_model(settings.model, image_set.classes, settings.images.size, weights)
        learner = session.own(Learner(
            model, compute=session.compute, comm=topology.group_comm, images=settings.images,
            optimizer=settings.optimizer, execution=session.execution,
            seed=(2, model_seed(settings.seed, role)),
        ))  # fmt: skip
        evidence = read_evidence(arguments, settings, image_set)
        settings = evidence.weaken(settings)
        coupling = Coupling(learner, topology, image_set, settings, evidence, session.progress)
        reader = calibration_reader(session, coupling, image_set, arguments.labels)
        labels, images = arguments.labels, settings.images
        validation = Validation.open(labels, images, session.execution, coupling.plan)
        train(coupling, session.own(reader), session, validation)


def read_evidence(
    arguments: Namespace, settings: CalibrationSettings, image_set: ImageSet
) -> Evidence:
    """Return what is known of wrong labels, and the confusion where targets need it."""
    noise, confusion = arguments.noise, arguments.confusion
    if settings.targets != "posterior":
        return Evidence.rates(noise)
    return Evidence.read(noise, confusion, image_set, arguments.strength)


if __name__ == "__main__":
    entry.run(main)
