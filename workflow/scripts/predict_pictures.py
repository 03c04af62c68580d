"""Predict the classes of pictures in files by the models of a finished experiment.

Several weights are asked for their mean prediction; folders are searched. A file that is no picture gets
a row that says so.
"""

from pathlib import Path

import yaml

from mct.base.methods import evaluation_settings
from mct.base.settings import EvaluationSettings, parse
from mct.learning.prediction import Predictor
from mct.results.predictions import find_pictures, predict_files, write_predictions
from mct.stage import entry
from mct.stage.compute import choose_compute


def main() -> None:
    arguments = entry.options(
        __doc__, config=Path, classes=Path, weights=list, pictures=list, output=Path
    )
    execution = entry.read_execution(arguments.config)
    config = yaml.safe_load(arguments.config.read_text())
    settings = parse(EvaluationSettings, evaluation_settings(config))
    compute = choose_compute(settings.model.precision, execution)
    classes = arguments.classes.read_text().splitlines()
    models = [
        Predictor(path, settings, len(classes), compute, execution) for path in arguments.weights
    ]
    files = find_pictures(arguments.pictures)
    threads = execution.decoding_threads
    found = predict_files(models, files, classes, settings.images.size, threads)
    write_predictions(found, arguments.output)


if __name__ == "__main__":
    entry.run(main)
