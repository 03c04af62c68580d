"""Predict the classes of pictures in files by models of a finished experiment.

Pictures may be files, folders (searched), archives (.tar, .zip) and lists of paths (.txt). They are
prepared as in the evaluation, by the settings in the record next to the weights. The prediction of
several models is their mean. A file that is no picture gets a line that says so.
"""

import argparse
import os
from collections.abc import Iterable

from mct.base.errors import UserError
from mct.base.files import write_rows
from mct.base.texts import read_names
from mct.command.experiments import Finished
from mct.command.printing import count, show, user_path
from mct.learning.prediction import Predictor
from mct.results.picture_files import find_pictures
from mct.results.predictions import Prediction, columns, predict_files, trained_settings
from mct.stage.settings import ExecutionSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("results", type=user_path, help="an experiment's folder of results")
    parser.add_argument("pictures", type=user_path, nargs="+")
    parser.add_argument("--method", default="", help="whose model; mct by default")
    parser.add_argument(
        "--weights", type=user_path, nargs="+", help="these models instead, their mean"
    )
    parser.add_argument("--top", type=count, default=1, help="so many classes for each picture")
    parser.add_argument("--output", type=user_path, help="a table (TSV) instead of the screen")


def run(options: argparse.Namespace) -> None:
    """Print or write what models say of pictures."""
    experiment = Finished(options.results)
    weights = options.weights or [experiment.deployed(options.method)]
    classes = read_names(experiment.classes)
    if options.top > len(classes):
        raise UserError(f"--top: expected 1 to {len(classes)}, the classes, got {options.top}")
    settings = trained_settings(weights)
    execution = ExecutionSettings(threads_per_rank=len(os.sched_getaffinity(0)))
    models = [Predictor(path, settings, len(classes), execution) for path in weights]
    files = find_pictures(options.pictures)
    threads = execution.decoding_threads
    found = predict_files(models, files, classes, settings.images, threads, options.top)
    if options.output:
        rows = list(found)
        write_rows(options.output, columns(options.top), (row.cells(options.top) for row in rows))
        show([f"wrote {options.output}"])
    else:
        rows = _print(found)
    broken = sum(bool(row.problem) for row in rows)
    if options.output:
        show([f"{len(rows) - broken} predicted, {broken} unreadable"])
    if broken == len(rows):
        raise UserError(f"none of {len(rows)} files is a picture that can be read")


def _print(found: Iterable[Prediction]) -> list[Prediction]:
    """Print predictions as they come, and return them."""
    rows = []
    for row in found:
        rows.append(row)
        guesses = "  ".join(f"{label} {probability:.3f}" for label, probability in row.guesses)
        show([f"{row.path}: {guesses or row.problem.removeprefix(f'{row.path}: ')}"])
    return rows
