"""Estimate the confusion of labels from what a model trained on observed labels predicts."""

from pathlib import Path

from scipy.special import softmax

from mct.base.files import write_json
from mct.data.imagesets import open_set
from mct.labels import confusions
from mct.learning.precision import with_measured
from mct.learning.prediction import Predictor
from mct.learning.settings import EvaluationSettings
from mct.stage import entry


def main() -> None:
    arguments = entry.options(
        __doc__, kind=str, settings=str, execution=Path, labels=Path, precision=tuple,
        weights=Path, output=Path,
    )  # fmt: skip
    settings = entry.read_settings(EvaluationSettings, arguments.settings)
    settings = with_measured(settings, arguments.precision)
    execution = entry.read_execution(arguments.execution)
    set_name = "noisy" if arguments.kind == "anchors" else "clean"
    image_set = open_set(set_name, arguments.labels)
    predictor = Predictor(arguments.weights, settings, image_set.classes, execution)
    logits, labels = predictor.predict(image_set)
    probabilities = softmax(logits, axis=1)
    if arguments.kind == "anchors":
        matrix = confusions.anchor_predictions(probabilities)
    else:
        matrix = confusions.mean_predictions(probabilities, labels)
    write_json(arguments.output, {"method": arguments.kind, "matrix": matrix.tolist()})


if __name__ == "__main__":
    entry.run(main)
