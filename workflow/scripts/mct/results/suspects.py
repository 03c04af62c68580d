"""Labels that are probably wrong, by what calibrated pairs say of the pictures.

Owns the judgement of labels and the files that show it; predictions come from `learning`.
"""

import base64
import csv
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mct.base.errors import UserError
from mct.base.files import is_of_system, read_json, replacing, unreadable, write_text
from mct.base.hdf5 import open_hdf5
from mct.data.imagesets import ImageSet
from mct.data.pictures import Picture
from mct.labels.noise import symmetric_matrix
from mct.learning.prediction import Predictor, mean_probabilities

PICTURES_AT_A_TIME = 20_000
"""Whose predictions are in memory."""
FIELDS = ("wrong", "proposed", "certainty")
COLUMNS = ("key", "observed", "proposed", "wrong_probability", "proposed_probability")
SHOWN = 200
"""Pictures in the gallery."""
THUMBNAIL = 128
"""Most pixels of a side."""
FIRST = (100, 1000)
"""Beginnings of the list that are measured, besides all of it."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What is thought of labels, arrays of shape (n,).

    `wrong` is the probability that a label is wrong, `proposed` (int64) the most probable class
    and `certainty` its probability.
    """

    wrong: NDArray[np.float64]
    proposed: NDArray[np.int64]
    certainty: NDArray[np.float64]


def label_posterior(
    predictions: NDArray[np.floating], observed: NDArray[np.integer], confusion: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return q(y) = p(y|x) T[y, observed] / sum of it over y, shape (n, K).

    `predictions` p are (n, K), `confusion` T[i, j] = P(observed j | true i) is (K, K): what a pair's
    posterior targets are, from its mean prediction. A label that no class can have says nothing.
    """
    joint = predictions * confusion.T[observed]
    total = joint.sum(axis=1, keepdims=True)
    return np.where(total > 0, joint / np.where(total > 0, total, 1), predictions)


def judge(posterior: NDArray[np.float64], observed: NDArray[np.integer]) -> Judgement:
    """Return what a posterior (n, K) says of observed labels (n,)."""
    rows = np.arange(len(observed))
    proposed = posterior.argmax(axis=1)
    wrong = 1 - posterior[rows, observed]
    return Judgement(wrong=wrong, proposed=proposed, certainty=posterior[rows, proposed])


@dataclass(frozen=True, kw_only=True)
class Judges:
    """A calibrated pair (Ma, Mp), and the confusion of labels (K, K) that it is read with."""

    pair: Sequence[Predictor]
    confusion: NDArray[np.float64]

    def posterior(self, image_set: ImageSet) -> NDArray[np.float64]:
        """Return the posterior of each picture's class, shape (n, K)."""
        said = mean_probabilities([model.predict(image_set)[0] for model in self.pair])
        return label_posterior(said, image_set.observed, self.confusion)


def judge_set(image_set: ImageSet, juries: Sequence[Judges]) -> Judgement:
    """Return what the mean posterior of several pairs says of a set's labels, a part at a time."""
    parts = [judge(np.zeros((0, image_set.classes)), image_set.observed[:0])]
    for start in range(0, len(image_set), PICTURES_AT_A_TIME):
        stop = min(start + PICTURES_AT_A_TIME, len(image_set))
        part = image_set.take(np.arange(start, stop))
        posterior = np.mean([judges.posterior(part) for judges in juries], axis=0)
        parts.append(judge(posterior, part.observed))
    return join(parts)


def join(parts: Sequence[Judgement]) -> Judgement:
    """Return the judgements of parts of a set, one after the other."""
    return Judgement(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in FIELDS}
    )


def write_judgement(image_set: ImageSet, judgement: Judgement, path: Path) -> None:
    """Write what is thought of a set's labels, with the samples that they belong to, as HDF5."""
    with replacing(path) as temporary, open_hdf5(temporary, "w") as file:
        file["sample"] = image_set.sample
        for name in FIELDS:
            file[name] = getattr(judgement, name)


def read_judgements(image_set: ImageSet, paths: Sequence[Path]) -> Judgement:
    """Return what parts that `write_judgement` wrote say of a set, in its order.

    Raises
    ------
    UserError
        A part is damaged, or they are not of this set.
    """
    columns: dict[str, list[NDArray]] = {name: [] for name in ("sample", *FIELDS)}
    for path in paths:
        try:
            with open_hdf5(path) as file:
                for name, parts in columns.items():
                    parts.append(file[name][()])
        except (OSError, KeyError) as error:
            if isinstance(error, OSError) and is_of_system(error):
                raise unreadable(path, error) from error
            raise UserError(f"{path}: cannot be read ({error}); delete it and rerun") from error
    whole = {name: np.concatenate(parts) for name, parts in columns.items()}
    order = np.argsort(whole.pop("sample"))
    if not np.array_equal(np.concatenate(columns["sample"])[order], image_set.sample):
        raise UserError(f"{paths[0].parent}: judgements of other pictures; delete them and rerun")
    return Judgement(**{name: values[order] for name, values in whole.items()})


def unverified(image_set: ImageSet) -> ImageSet:
    """Return the pictures that are not in the clean set."""
    return image_set.take(np.flatnonzero(~image_set.in_clean))


def read_assumed_confusion(path: Path, classes: int) -> NDArray[np.float64]:
    """Return the matrix (K, K) of a noise or confusion file; symmetric noise where nothing was counted."""
    content = read_json(path, "matrix")
    if content["matrix"] is not None:
        return np.array(content["matrix"])
    return symmetric_matrix(classes, read_json(path, "rate")["rate"])


def order_suspects(judgement: Judgement, observed: NDArray[np.integer]) -> NDArray[np.intp]:
    """Return the positions whose label is not the most probable one, the most surely wrong first."""
    order = np.argsort(-judgement.wrong, kind="stable")
    return order[judgement.proposed[order] != observed[order]]


def suspect_rows(
    image_set: ImageSet, judgement: Judgement, order: NDArray[np.integer], names: Sequence[str]
) -> list[tuple[str, ...]]:
    """Return the list in its order: `COLUMNS` of each suspect as text."""
    keys = image_set.keys()
    return [
        (
            keys[place].decode(),
            names[image_set.observed[place]],
            names[judgement.proposed[place]],
            f"{judgement.wrong[place]:.4f}",
            f"{judgement.certainty[place]:.4f}",
        )
        for place in order
    ]


def write_list(rows: Sequence[tuple[str, ...]], path: Path) -> None:
    """Write the list as TSV."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerows([COLUMNS, *rows])


def measure_list(
    image_set: ImageSet, judgement: Judgement, order: NDArray[np.integer]
) -> dict[str, float]:
    """Return how good a list is, where true labels are known that nothing was trained on.

    Precision is the share of listed labels that are wrong, recall the share of wrong labels that are
    listed; `auc` says how well the probability separates wrong from right labels, listed or not.
    """
    known = (image_set.true >= 0) & ~image_set.in_clean
    wrong = image_set.observed != image_set.true
    listed = order[known[order]]
    if not len(listed) or len(np.unique(wrong[known])) < 2:
        return {}
    found = {
        f"precision_first_{n}": float(wrong[listed[:n]].mean()) for n in FIRST if n <= len(listed)
    }
    from sklearn.metrics import roc_auc_score  # as large as torch, and judging needs none of it

    proposed_right = judgement.proposed[listed] == image_set.true[listed]
    return {
        **found,
        "precision": float(wrong[listed].mean()),
        "recall": float(wrong[listed].sum() / wrong[known].sum()),
        "proposal_accuracy": float(proposed_right.mean()),
        "auc": float(roc_auc_score(wrong[known], judgement.wrong[known])),
    }


def write_gallery(
    image_set: ImageSet,
    order: NDArray[np.integer],
    rows: Sequence[tuple[str, ...]],
    path: Path,
    title: str,
) -> None:
    """Write the first suspects with their pictures as a page that needs no other file."""
    figures = [
        _figure(image_set.read(int(place)), row)
        for place, row in zip(order[:SHOWN], rows, strict=False)
    ]
    heading = f"<h1>{html.escape(title)}</h1><p>{len(figures)} of {len(rows)} suspects</p>"
    write_text(path, PAGE.format(title=html.escape(title), body=heading + "\n".join(figures)))


PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font-family: sans-serif; margin: 2em; }}
figure {{ display: inline-block; width: 150px; margin: 6px; vertical-align: top; font-size: 12px; }}
img {{ width: 128px; height: 128px; object-fit: contain; image-rendering: pixelated; }}
figcaption {{ overflow-wrap: anywhere; }}
s {{ color: #a00; }}
</style></head><body>
{body}
</body></html>
"""


def _figure(picture: Picture, row: tuple[str, ...]) -> str:
    key, observed, proposed, wrong, _ = map(html.escape, row)
    return (
        f'<figure><img alt="{key}" src="data:image/png;base64,{_thumbnail(picture)}">'
        f"<figcaption><s>{observed}</s> {proposed}<br>wrong: {wrong}<br>{key}</figcaption></figure>"
    )


def _thumbnail(picture: Picture) -> str:
    image = Image.fromarray(picture)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()
