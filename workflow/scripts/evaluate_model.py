"""Evaluate a model, or the mean prediction of several, on a split: top-1, top-5, per class, confusion."""

from pathlib import Path

from mct.base.files import file_digest
from mct.data.imagesets import open_set
from mct.learning.metrics import evaluate_predictions
from mct.learning.precision import with_measured
from mct.learning.prediction import mean_probabilities
from mct.learning.settings import EvaluationSettings
from mct.learning.spread import Spread
from mct.stage import entry
from mct.stage.compute import hardware, versions
from mct.stage.record import write_record
from mct.stage.session import OPTIONS, Session


def main() -> None:
    arguments = entry.options(__doc__, **OPTIONS, split=str, labels=Path, weights=list)
    settings = entry.read_settings(EvaluationSettings, arguments.settings)
    settings = with_measured(settings, arguments.precision)
    inputs = [arguments.labels, *arguments.weights]
    with Session(arguments, Path(__file__), inputs, settings.model.precision) as session:
        features, spread = settings.images.stores_features, session.own(Spread(session))
        image_set = open_set(arguments.split, arguments.labels, features=features)
        logits = [
            spread.logits(spread.open(path, settings, image_set.classes), image_set)
            for path in arguments.weights
        ]
        if session.world.rank == 0:
            scores = logits[0] if len(logits) == 1 else mean_probabilities(logits)
            facts = evaluate_predictions(scores, image_set.label)
            facts |= {"split": arguments.split, "settings": settings}
            facts |= {"weights": [file_digest(path) for path in arguments.weights]}
            facts |= {"hardware": hardware(session.compute), "versions": versions()}
            write_record(arguments.output, facts)


if __name__ == "__main__":
    entry.run(main)
