"""What trained models say of pictures in files that belong to no data set."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mct.base.errors import UserError
from mct.base.files import read_json
from mct.base.keys import parse, pick
from mct.base.names import key_of
from mct.data.images import fit
from mct.data.layouts.folders import files_below
from mct.data.layouts.storage import read_regular
from mct.data.loading import to_tensor
from mct.data.pictures import Picture, decode
from mct.data.settings import ImageSettings
from mct.learning.prediction import BATCH_SIZE, Predictor, mean_probabilities
from mct.learning.settings import EvaluationSettings


class Prediction(NamedTuple):
    """A file, the name of its most probable class with the probability, or why there is none."""

    path: str
    label: str
    probability: str
    problem: str


def trained_settings(weights: Sequence[Path]) -> EvaluationSettings:
    """Return how models see pictures, from the records of their trainings next to their weights.

    UserError for weights without a record, or trained with other settings than the first.
    """
    first, *others = map(_recorded_settings, weights)
    for path, settings in zip(weights[1:], others, strict=True):
        if settings != first:
            raise UserError(
                f"{path}: trained with other settings of images or model than {weights[0]}; "
                "a mean prediction needs equal settings"
            )
    return first


def _recorded_settings(weights: Path) -> EvaluationSettings:
    record = weights.parent / "record.json"
    if not record.is_file():
        raise UserError(
            f"{record}: no such file; weights need the record that their training wrote next to them"
        )
    settings = read_json(record, "settings")["settings"]
    try:
        return parse(EvaluationSettings, pick(settings, EvaluationSettings))
    except UserError as error:
        raise UserError(f"{record}: not the record of a training: {error}") from error


def find_pictures(paths: Sequence[Path]) -> list[Path]:
    """Return the files among `paths` and those below its folders, in order.

    What is hidden, and what systems put there for themselves, is left out. UserError for a path
    that is not there, or no file at all.
    """
    found: list[Path] = []
    for path in paths:
        if not os.path.lexists(path):
            raise UserError(f"{path}: expected a picture or a folder of pictures, found nothing")
        found += sorted(files_below(path)) if path.is_dir() else [path]
    if not found:
        raise UserError(f"{', '.join(map(str, paths))}: expected pictures, found no file")
    return found


def predict_files(
    models: Sequence[Predictor],
    files: Sequence[Path],
    classes: Sequence[str],
    images: ImageSettings,
    threads: int,
) -> Iterator[Prediction]:
    """Yield what the mean of `models` says of each file, in order, as their evaluation sees it.

    A picture is decoded upright as RGB, its short side resized and its centre cropped.
    """
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(files), BATCH_SIZE):
            part = files[start : start + BATCH_SIZE]
            seen = list(pool.map(lambda file: view(file, images.size, images.resize), part))
            views = [one for one in seen if not isinstance(one, str)]
            answers = iter(_predict(models, views, classes) if views else ())
            for file, one in zip(part, seen, strict=True):
                if isinstance(one, str):
                    yield Prediction(key_of(str(file)), "", "", one)
                else:
                    yield Prediction(key_of(str(file)), *next(answers), "")


def view(file: Path, size: int, resize: int | None = None) -> Picture | str:
    """Return a picture as a model is evaluated on it, uint8 (size, size, 3), or why it cannot be."""
    name = key_of(str(file))
    try:
        return fit(decode(read_regular(file, name), name), size, resize)
    except UserError as error:
        return " ".join(str(error).split())


def _predict(
    models: Sequence[Predictor], views: Sequence[Picture], classes: Sequence[str]
) -> Iterator[tuple[str, str]]:
    pictures = to_tensor(np.stack(views))
    probabilities = mean_probabilities([model.predict_pictures(pictures) for model in models])
    for row in probabilities:
        yield classes[int(row.argmax())], f"{row.max():.4f}"
