"""Data of the step benchmarks: a folder of synthetic JPEGs, and the same pictures as our shards."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.shared.made_shards import store
from mct.data.catalogue import build_catalogue
from mct.data.layouts.registry import open_layout
from mct.data.layouts.settings import DatasetSettings
from mct.data.settings import ShardSettings

QUALITY, GRAIN = 90, 12.0


def make_picture(number: int, size: int) -> Image.Image:
    """Return a smooth random picture with grain, so that its JPEG is of a photograph's size."""
    generator = np.random.default_rng(number)
    coarse = generator.integers(0, 256, (8, 8, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))
    grain = generator.normal(0, GRAIN, (size, size, 1))
    return Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8))


def make_folder(root: Path, count: int, size: int, classes: int) -> None:
    """Write `train/<class>/<number>.jpg`, and a small `validation/` like it."""
    for name, pictures in (("train", count), ("validation", 2 * classes)):
        for label in range(classes):
            (root / name / f"{label:03d}").mkdir(parents=True, exist_ok=True)
        for number in range(pictures):
            path = root / name / f"{number % classes:03d}" / f"{number:06d}.jpg"
            make_picture(number, size).save(path, quality=QUALITY)


def make_shards(root: Path, folder: Path, size: int) -> Path:
    """Write the pictures of a folder as shards and return their table of labels."""
    layout = open_layout(
        DatasetSettings(
            layout="image_folder", root=str(root), measuring_labels=None, seed=0,
            synthetic_noise_rate=0.0, synthetic_clean_fraction=0.5, clean_fraction=0.5,
        )
    )  # fmt: skip
    settings = ShardSettings(size=size, encoding="auto", short_side=None, quality=QUALITY)
    return store(build_catalogue(layout), layout, settings, folder, shards=2)


def write_seconds(path: Path, seconds: list[float], **facts: object) -> None:
    """Write the seconds of the measured steps and facts about them."""
    path.write_text(json.dumps({"seconds": seconds, **facts}))


def processor_seconds(spent: list[float], warm_up: int) -> float:
    """Return the processor time of a step from its sum at the end of each, the warm-up left out."""
    return (spent[-1] - spent[warm_up - 1]) / (len(spent) - warm_up)
