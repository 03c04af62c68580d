"""Predict the classes of pictures in files by the models of a finished experiment.

Pictures are prepared as in training, by the settings in the record next to the weights. The prediction
of several models is their mean. Folders are searched. A file that is no picture gets a row that says so.
"""

import os
from pathlib import Path

import find_library  # noqa: F401

from mct.base.files import write_rows
from mct.base.texts import read_lines
from mct.learning.prediction import Predictor
from mct.results.predictions import Prediction, find_pictures, predict_files, trained_settings
from mct.stage import entry
from mct.stage.settings import ExecutionSettings


def main() -> None:
    arguments = entry.options(__doc__, classes=Path, weights=list, pictures=list, output=Path)
    classes = read_lines(arguments.classes)
    settings = trained_settings(arguments.weights)
    execution = ExecutionSettings(threads_per_rank=len(os.sched_getaffinity(0)))
    models = [Predictor(path, settings, len(classes), execution) for path in arguments.weights]
    files = find_pictures(arguments.pictures)
    threads = execution.decoding_threads
    found = predict_files(models, files, classes, settings.images, threads)
    write_rows(arguments.output, Prediction._fields, found)


if __name__ == "__main__":
    entry.run(main)
