"""Evaluate a model, or the mean prediction of several, on a split: top-1, top-5, per class, confusion."""

from pathlib import Path

from mct.base.files import file_digest
from mct.data.imagesets import open_set
from mct.learning.metrics import evaluate_predictions
from mct.learning.precision import with_measured
from mct.learning.prediction import Predictor, mean_probabilities
from mct.learning.settings import EvaluationSettings
from mct.stage import entry
from mct.stage.compute import hardware, versions
from mct.stage.record import write_record


def main() -> None:
    arguments = entry.options(
        __doc__, settings=str, execution=Path, split=str, labels=Path, precision=tuple,
        weights=list, output=Path,
    )  # fmt: skip
    settings = entry.read_settings(EvaluationSettings, arguments.settings)
    settings = with_measured(settings, arguments.precision)
    execution = entry.read_execution(arguments.execution)
    image_set = open_set(arguments.split, arguments.labels)
    logits = []
    for path in arguments.weights:
        predictor = Predictor(path, settings, image_set.classes, execution)
        logits.append(predictor.predict(image_set)[0])
    scores = logits[0] if len(logits) == 1 else mean_probabilities(logits)
    facts = evaluate_predictions(scores, image_set.label)
    facts |= {"split": arguments.split, "settings": settings}
    facts |= {"weights": [file_digest(path) for path in arguments.weights]}
    facts |= {"hardware": hardware(predictor.compute), "versions": versions()}
    write_record(arguments.output, facts)


if __name__ == "__main__":
    entry.run(main)
