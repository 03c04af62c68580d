"""Small pictures and data sets that several tests are made of."""

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mct.base.files import write_json
from mct.data.augmentation import Viewer
from mct.data.catalogue import Catalogue
from mct.data.imagesets import ImageSet
from mct.data.inspection import find
from mct.data.intake import Listed
from mct.data.label_table import read_index
from mct.data.labelling import write_labels
from mct.data.layouts.settings import DatasetSettings
from mct.data.order import Draws
from mct.data.settings import ShardSettings
from mct.data.sharding import Member, ShardPlan, deal, write_shard
from mct.data.shards import index_shard

CLASSES = 3


def picture_of(number: int, height: int = 8, width: int = 8) -> NDArray[np.uint8]:
    """Return a random picture that depends on its number."""
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)


def view_picture(viewer: Viewer, picture: NDArray[np.uint8], draws: Draws) -> NDArray[np.uint8]:
    """Return a training view of a picture, uint8 (size, size, 3)."""
    view = np.empty((viewer.size, viewer.size, 3), np.uint8)
    viewer.write(picture, draws, view)
    return view


def augment(
    picture: NDArray[np.uint8], size: int, kind: str, draws: Draws, resize: int | None = None
) -> NDArray[np.uint8]:
    """Return the training view that a kind of augmentation gives of a picture."""
    return view_picture(Viewer(size=size, kind=kind, resize=resize), picture, draws)


def encode(picture: NDArray[np.uint8], kind: str = "PNG") -> bytes:
    """Return a picture as the bytes of a file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format=kind)
    return buffer.getvalue()


class PictureLayout:
    """The part of a layout that shards need: picture `<number>.png` is `picture_of(number)`."""

    def __init__(self, size: int = 8) -> None:
        self.size = size

    def read(self, path: str) -> bytes:
        return encode(picture_of(int(Path(path).stem), self.size, self.size))


def small_catalogue() -> Catalogue:
    """Return 16 pictures: noisy 0-9, clean 7-11 (7-9 in both), validation 12-13, test 14-15."""
    number = np.arange(16)
    members = {
        "noisy": number < 10,
        "clean": (number >= 7) & (number < 12),
        "validation": (number >= 12) & (number < 14),
        "test": number >= 14,
    }
    return Catalogue(
        keys=[f"key-{i}" for i in number],
        paths=[f"{i}.png" for i in number],
        observed=np.where(members["noisy"], number % CLASSES, -1),
        true=np.where(number >= 7, (number + 1) % CLASSES, -1),
        right=np.full(16, -1),
        members=members,
    )


def shard_settings(encoding: str = "pixels", size: int = 8) -> ShardSettings:
    """Return settings of shards of `small_catalogue`."""
    return ShardSettings(size=size, encoding=encoding, short_side=None, quality=95)


def members_of(rows: Iterable[int], layout: object) -> list[Member]:
    """Return rows of `small_catalogue` as members of a shard, their pictures inspected."""
    listed = [Listed(f"key-{number}", f"{number}.png") for number in rows]
    return [Member(row, find(row, layout, 10**6)) for row in listed]


def write_shards(
    folder: Path, encoding: str = "pixels", shards: int = 1, picture_size: int = 8
) -> list[Path]:
    """Write all pictures of `small_catalogue` as shards and return their paths."""
    paths, layout = [], PictureLayout(picture_size)
    for shard in range(shards):
        plan = ShardPlan(shard=shard, shards=shards, source="test")
        path = folder / f"0-{shard:04d}.h5"
        members = members_of(deal(16, shards, shard).tolist(), layout)
        write_shard(members, layout, shard_settings(encoding), plan, path)
        paths.append(path)
    return paths


def write_labelled(
    folder: Path, encoding: str = "pixels", shards: int = 1, picture_size: int = 8
) -> Path:
    """Write all pictures of `small_catalogue`, none left out, and return their table of labels."""
    paths = write_shards(folder, encoding, shards, picture_size)
    for path in paths:
        write_json(path.with_suffix(".json"), index_shard(path))
    write_labels(small_catalogue(), {}, paths, CLASSES, folder / "labels.parquet")
    return folder / "labels.parquet"


class PixelSet(ImageSet):
    """Random pictures in memory: the one at a position is `picture_of(sample[position])`."""

    def read(self, position: int) -> NDArray[np.uint8]:
        return picture_of(int(self.sample[position]))


def pixel_set(count: int) -> PixelSet:
    """Return `count` pictures whose sample numbers are not their positions."""
    nowhere, labels = np.zeros(count, np.int64), np.arange(count) % CLASSES
    return PixelSet(
        shards=[], shard=nowhere, index=nowhere, sample=3 * np.arange(count) + 1, label=labels,
        observed=labels, true=labels, in_clean=nowhere.astype(bool), classes=CLASSES,
    )  # fmt: skip


def dataset_settings(**changes: object) -> DatasetSettings:
    """Return the quick start's settings of a data set, some of them changed."""
    values = {
        "layout": "digits", "root": None, "measuring_labels": None, "seed": 0,
        "synthetic_noise_rate": 0.4, "synthetic_clean_fraction": 0.1,
    }  # fmt: skip
    return DatasetSettings(**{**values, **changes})


def write_clothing(
    root: Path,
    *,
    folder: str = "annotations",
    prefix: str = "images/",
    absent: str = "",
    **lines: list[str],
) -> Path:
    """Write a tree like Clothing1M's and return its root.

    Noisy are a, b, c, with observed labels 0, 1, 2; clean c and d, validation e, test f, with true
    labels 1, 0, 2, 1. `lines` replaces a file's content by its name without ending; `absent`
    pictures are listed but not written.
    """
    keys = {letter: f"{prefix}0/{letter}.jpg" for letter in "abcdef"}

    def label_lines(**labels: int) -> list[str]:
        return [f"{keys[letter]} {label}" for letter, label in labels.items()]

    files = {
        "noisy_train_key_list": [keys[letter] for letter in "abc"],
        "clean_train_key_list": [keys[letter] for letter in "cd"],
        "clean_val_key_list": [keys["e"]],
        "clean_test_key_list": [keys["f"]],
        "noisy_label_kv": label_lines(a=0, b=1, c=2),
        "clean_label_kv": label_lines(c=1, d=0, e=2, f=1),
        "category_names_chn": ["一", "二", "三"],
        "category_names_eng": ["Shirt", "Coat", "Dress"],
    }  # fmt: skip
    (root / folder).mkdir(parents=True)
    for name, content in {**files, **lines}.items():
        (root / folder / f"{name}.txt").write_text("\n".join(content) + "\n", "utf-8")
    pictures = root / "images" / "0"
    pictures.mkdir(parents=True)
    for number, letter in enumerate("abcdef"):
        if letter not in absent:
            (pictures / f"{letter}.jpg").write_bytes(encode(picture_of(number), "JPEG"))
    return root


def indexed_files(labels: Path) -> list[Path]:
    """Return the shards that a table of labels was joined with; they lie next to it."""
    return [labels.parent / name for name in read_index(labels)["files"]]
