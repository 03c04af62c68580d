"""Labels that are probably wrong: their list, its quality, and a page with pictures."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mct.base.files import write_text
from mct.data.imagesets import ImageSet
from mct.data.pictures import Picture, as_png
from mct.labels.judging import Judgement

COLUMNS = ("key", "observed", "proposed", "wrong_probability", "proposed_probability")
SHOWN = 200
"""Pictures in the gallery."""
THUMBNAIL = 128
"""Most pixels of a side."""
FIRST = (100, 1000)
"""Lengths of the beginnings of the list that are measured, in addition to the whole list."""


def order_suspects(judgement: Judgement, observed: NDArray[np.integer]) -> NDArray[np.intp]:
    """Return the positions whose label is not the most probable one, most likely wrong first."""
    order = np.argsort(-judgement.wrong, kind="stable")
    return order[judgement.proposed[order] != observed[order]]


def suspect_rows(
    image_set: ImageSet, judgement: Judgement, order: NDArray[np.integer], names: Sequence[str]
) -> list[tuple[str, ...]]:
    """Return the list in its order: `COLUMNS` of each suspect as text."""
    keys = image_set.keys()
    rows: list[tuple[str, ...]] = []
    for place in order:
        labels = names[image_set.observed[place]], names[judgement.proposed[place]]
        shares = f"{judgement.wrong[place]:.4f}", f"{judgement.certainty[place]:.4f}"
        rows.append((keys[place].decode(), *labels, *shares))
    return rows


def measure_list(
    image_set: ImageSet, judgement: Judgement, order: NDArray[np.integer]
) -> dict[str, float]:
    """Return how good a list is on true labels that no training used; empty without such labels.

    Precision is the share of listed labels that are wrong, recall the share of wrong labels that are
    listed; `auc` is the area under the ROC curve of the probability, for all labels.
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
    image = Image.fromarray(picture)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    thumbnail = base64.b64encode(as_png(np.asarray(image))).decode()
    return (
        f'<figure><img alt="{key}" src="data:image/png;base64,{thumbnail}">'
        f"<figcaption><s>{observed}</s> {proposed}<br>wrong: {wrong}<br>{key}</figcaption></figure>"
    )
