"""What a user's data suggest for keys of the configuration that have no default for them."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from PIL import Image

from mct.base.errors import UserError
from mct.data.catalogue import Catalogue, build_catalogue
from mct.data.layouts.base import LISTED, Layout
from mct.data.pictures import decode

SAMPLED = 200
"""Pictures that are looked at."""
USUAL_SIZE, SMALLEST_SIZE = 224, 8


def ask_for(missing: Iterable[str], layout: Layout) -> str:
    """Return one line that asks for keys, given as `section.key`, and says what the data suggest."""
    named = ", ".join(f"`{key}`" for key in missing)
    asked = f"configuration: {named}: must be given, since only the digits have a default"
    try:
        found = suggest(layout)
    except UserError as error:
        return f"{asked}; the data could not be read for a suggestion ({error})"
    chosen = {key: found[key] for key in missing if found.get(key) is not None}
    lines = [f"{asked}; the data suggest {_as_yaml(chosen)}"]
    lines += [f"{key} {note}" for key, note in _notes(layout, found).items() if key in missing]
    return "; ".join(lines)


def suggest(layout: Layout, catalogue: Catalogue | None = None) -> dict[str, Any]:
    """Return a value for each key that may be missing, None where the data cannot tell.

    `pictures` are the samples, a list of `Sample`, that this follows from. The lists are read unless
    their `catalogue` is given.
    """
    catalogue = catalogue or build_catalogue(layout, LISTED, check_files=False)
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(str(layout.settings.root)).name) or "mine"
    pictures = sample(layout, catalogue)
    size = _size(pictures)
    mean, std = _moments(pictures, size) if size else (None, None)
    return {
        "experiment": name,
        "dataset.name": name,
        "dataset.noise_rate": _rate(layout, catalogue),
        "images.size": size,
        "images.mean": mean,
        "images.std": std,
        "pictures": pictures,
    }


def _rate(layout: Layout, catalogue: Catalogue) -> float | str | None:
    """Return `counted` where clean pictures have an observed label, or the rate of synthetic noise."""
    noise = layout.settings.synthetic_noise
    if noise.rate is not None:
        return noise.rate
    return "counted" if layout.counts_rate and len(catalogue.verified()[0]) else None


def _notes(layout: Layout, found: Mapping[str, Any]) -> dict[str, str]:
    """Return a note for a key, in addition to its value."""
    pictures = found["pictures"]
    notes = {}
    if pictures:
        height, width = (np.median(sides) for sides in zip(*(p[:2] for p in pictures), strict=True))
        notes["images.size"] = (
            f"follows the median of {len(pictures)} pictures, {width:g} x {height:g}"
        )
    else:
        notes["images.size"] = "is not known, since none of the listed pictures can be read"
    if found["dataset.noise_rate"] is None:
        notes["dataset.noise_rate"] = (
            "is a number from 0 to 1, the share of wrong labels: no picture has both its observed "
            "and its true label, so it cannot be `counted`"
        )
    return notes


class Sample(NamedTuple):
    """The height and width of a picture, and the picture within `USUAL_SIZE`."""

    height: int
    width: int
    small: Image.Image


def sample(layout: Layout, catalogue: Catalogue) -> list[Sample]:
    """Return noisy pictures, evenly spread over the list."""
    noisy = np.flatnonzero(catalogue.members["noisy"])
    places = noisy[np.linspace(0, len(noisy) - 1, min(SAMPLED, len(noisy))).astype(int)]
    pictures = []
    for path in (catalogue.paths[place] for place in places):
        try:
            picture = decode(layout.read(path), path)
        except UserError:  # of this picture; the others say enough
            continue
        small = Image.fromarray(picture)
        small.thumbnail((USUAL_SIZE, USUAL_SIZE), Image.Resampling.BOX)
        height, width, _ = picture.shape
        pictures.append(Sample(height, width, small))
    return pictures


def _size(pictures: list[Sample]) -> int | None:
    if not pictures:
        return None
    short = int(np.median([min(picture.height, picture.width) for picture in pictures]))
    return max(SMALLEST_SIZE, min(USUAL_SIZE, short))


def _moments(pictures: list[Sample], size: int) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of the channels, shape (3,), of pictures of that size."""
    sums, count = np.zeros((2, 3)), 0
    for image in (picture.small.copy() for picture in pictures):
        image.thumbnail((size, size), Image.Resampling.BOX)
        pixels = np.asarray(image, np.float64).reshape(-1, 3) / 255
        sums += pixels.sum(axis=0), (pixels**2).sum(axis=0)
        count += len(pixels)
    mean, square = sums / count
    deviation = np.sqrt(np.maximum(square - mean**2, 0))
    return [round(float(v), 3) for v in mean], [max(round(float(v), 3), 0.001) for v in deviation]


def _as_yaml(values: Mapping[str, Any]) -> str:
    """Return keys, given as `section.key`, as one line of YAML for a configuration."""
    nested: dict[str, Any] = {}
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        (nested.setdefault(section, {}) if section else nested)[name] = value
    text = yaml.safe_dump(nested, default_flow_style=True, sort_keys=False, width=10**6)
    return text.strip()
