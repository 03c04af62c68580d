"""The page on which people look at suspects and decide: one file, which needs no network."""

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mct.base.errors import UserError
from mct.base.files import write_text
from mct.data.imagesets import ImageSet
from mct.data.pictures import Picture
from mct.labels.judging import Judgement

SIDE = 96
"""Most pixels of a thumbnail's side."""
BYTES = 5000
"""Most of a thumbnail, so that 2,000 of them, in base64, and their labels take less than 15 MB."""
QUALITIES = (85, 70, 50, 30, 10)
PLACE = "{data}"
"""Where the template takes the data."""


def thumbnail(picture: Picture, side: int = SIDE, most_bytes: int = BYTES) -> bytes:
    """Return a picture, uint8 (height, width, 3), as a small JPEG: of the best quality that fits."""
    image = Image.fromarray(picture)
    image.thumbnail((side, side))
    for quality in QUALITIES:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= most_bytes:
            break
    return buffer.getvalue()


def page_data(
    image_set: ImageSet,
    judgement: Judgement,
    order: NDArray[np.integer],
    names: Sequence[str],
    shown: int,
) -> dict[str, Any]:
    """Return what the page shows: the classes, how many suspects there are, and the first `shown`.

    A suspect is a list: key, numbers of the observed and the proposed class, the probability that the
    label is wrong, that of the proposed class, and a JPEG as base64.
    """
    keys = image_set.keys()
    suspects = [
        [
            keys[place].decode(),
            int(image_set.observed[place]),
            int(judgement.proposed[place]),
            round(float(judgement.wrong[place]), 4),
            round(float(judgement.certainty[place]), 4),
            base64.b64encode(thumbnail(image_set.read(int(place)))).decode(),
        ]
        for place in order[:shown]
    ]
    return {"classes": list(names), "listed": len(order), "suspects": suspects}


def write_page(data: dict[str, Any], dataset: str, template: Path, path: Path) -> None:
    """Write the page; keys and names may hold any text. UserError for a template without a place for it."""
    text = template.read_text("utf-8")
    if text.count(PLACE) != 1:
        raise UserError(f"{template}: expected {PLACE} once; restore the file")
    title = f"{dataset}: labels that are probably wrong"
    content = {"dataset": dataset, "title": title, **data}
    # In a script `<` could begin its end or a comment.
    embedded = json.dumps(content, ensure_ascii=False).replace("<", "\\u003c")
    write_text(path, text.replace(PLACE, embedded))
