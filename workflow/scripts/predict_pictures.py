"""Predict the classes of pictures in files by the models of a finished experiment.

Several weights are asked for their mean prediction; folders are searched. A file that is no picture gets
a row that says so.
"""

from pathlib import Path

from mct.base.methods import evaluation_settings
from mct.base.settings import EvaluationSettings, ExecutionSettings, parse
from mct.data.layouts.base import read_lines
from mct.learning.prediction import Predictor
from mct.results.predictions import find_pictures, predict_files, write_predictions
from mct.stage import entry
from mct.stage.compute import choose_compute


def main() -> None:
    arguments = entry.options(
        __doc__, config=Path, classes=Path, weights=list, pictures=list, output=Path
    )
    config = entry.read_config(arguments.config)
    execution = parse(ExecutionSettings, config["execution"])
    settings = parse(EvaluationSettings, evaluation_settings(config))
    compute = choose_compute(settings.model.precision, execution)
    classes = read_lines(arguments.classes)
    models = [
        Predictor(path, settings, len(classes), compute, execution) for path in arguments.weights
    ]
    files = find_pictures(arguments.pictures)
    threads = execution.decoding_threads
    found = predict_files(models, files, classes, settings.images.size, threads)
    write_predictions(found, arguments.output)


if __name__ == "__main__":
    entry.run(main)
