"""What trained models say of pictures in files that belong to no data set."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mct.base.errors import UserError
from mct.base.files import read_json
from mct.base.keys import parse, pick
from mct.data.images import fit
from mct.data.loading import to_tensor
from mct.data.pictures import Picture, decode
from mct.data.settings import ImageSettings
from mct.learning.prediction import BATCH_SIZE, Predictor, mean_probabilities
from mct.learning.settings import EvaluationSettings
from mct.results.picture_files import Source


class Prediction(NamedTuple):
    """A picture's name, its most probable classes with their probabilities, or why there are none."""

    path: str
    guesses: tuple[tuple[str, float], ...]
    problem: str

    def cells(self, top: int) -> list[str]:
        """Return the cells of `columns(top)`."""
        guesses = [text for label, share in self.guesses for text in (label, f"{share:.4f}")]
        return [self.path, *(guesses or [""] * (2 * top)), self.problem]


def columns(top: int) -> list[str]:
    """Return the names of a table's columns: a path, `top` classes, what is wrong with the picture."""
    numbers = ["", *(f"_{number}" for number in range(2, top + 1))]
    names = [f"{name}{number}" for number in numbers for name in ("label", "probability")]
    return ["path", *names, "problem"]


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


def predict_files(
    models: Sequence[Predictor],
    pictures: Sequence[Source],
    classes: Sequence[str],
    images: ImageSettings,
    threads: int,
    top: int = 1,
) -> Iterator[Prediction]:
    """Yield what the mean of `models` says of each picture, in order, as their evaluation sees it.

    A picture is decoded upright as RGB, its short side resized and its centre cropped. The next ones
    are decoded while models compute.
    """
    parts = [pictures[start : start + BATCH_SIZE] for start in range(0, len(pictures), BATCH_SIZE)]
    with ThreadPoolExecutor(threads) as pool:

        def decode_part(part: Sequence[Source]) -> list[Future[Picture | str]]:
            return [pool.submit(view, one, images.size, images.resize) for one in part]

        coming = deque([decode_part(parts[0])] if parts else [])
        for number, part in enumerate(parts):
            coming.extend(decode_part(later) for later in parts[number + 1 : number + 2])
            seen = [future.result() for future in coming.popleft()]
            views = [one for one in seen if not isinstance(one, str)]
            answers = iter(_predict(models, views, classes, top) if views else ())
            for picture, one in zip(part, seen, strict=True):
                if isinstance(one, str):
                    yield Prediction(picture.name, (), one)
                else:
                    yield Prediction(picture.name, next(answers), "")


def view(picture: Source, size: int, resize: int | None = None) -> Picture | str:
    """Return a picture as a model is evaluated on it, uint8 (size, size, 3), or why it cannot be."""
    try:
        return fit(decode(picture.read(), picture.name), size, resize)
    except UserError as error:
        return " ".join(str(error).split())


def _predict(
    models: Sequence[Predictor], views: Sequence[Picture], classes: Sequence[str], top: int
) -> Iterator[tuple[tuple[str, float], ...]]:
    pictures = to_tensor(np.stack(views))
    probabilities = mean_probabilities([model.predict_pictures(pictures) for model in models])
    for row in probabilities:
        best = np.argsort(-row, kind="stable")[:top]
        yield tuple((classes[place], float(row[place])) for place in best)
