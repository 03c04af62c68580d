"""Small data sets with wrong labels in the arrangements that people have, made by a seed.

python tests/workflow/made_data.py KIND FOLDER [PICTURES]
"""

import csv
import io
import pickle
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

CLASSES = ("apple", "banana", "cherry", "plum")
COLOURS = np.array([(60, 160, 40), (230, 210, 60), (190, 20, 50), (90, 40, 140)])
SIDE, WRONG, CHECKED = 40, 0.3, 0.2
SPLITS = {"train": 0.7, "validation": 0.1, "test": 0.2}


class Made(NamedTuple):
    """A picture: its name, JPEG, split, observed and true label; checked ones may show the latter."""

    name: str
    data: bytes
    split: str
    label: int
    true_label: int
    is_checked: bool


def make(pictures: int, seed: int = 0, side: int = SIDE) -> Iterator[Made]:
    """Yield pictures: a disc in the colour of its class on noise; training labels are often wrong."""
    rng = np.random.default_rng(seed)
    splits = rng.choice(list(SPLITS), pictures, p=list(SPLITS.values()))
    for number, split in enumerate(splits):
        true = number % len(CLASSES)
        is_wrong = split == "train" and rng.random() < WRONG
        label = (
            int((true + 1 + rng.integers(len(CLASSES) - 1)) % len(CLASSES)) if is_wrong else true
        )
        data = picture(rng, true, side)
        yield Made(f"{number:05}.jpg", data, str(split), label, true, rng.random() < CHECKED)


def picture(rng: np.random.Generator, label: int, side: int) -> bytes:
    """Return a JPEG of a disc in about the colour of a class, on a noisy ground."""
    ground = rng.integers(0, 256, (side, side, 3))
    rows, columns = np.ogrid[:side, :side]
    centre, radius = rng.uniform(0.35, 0.65, 2) * side, rng.uniform(0.15, 0.3) * side
    disc = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < radius**2
    ground[disc] = np.clip(COLOURS[label] + rng.normal(0, 40, 3), 0, 255)
    file = io.BytesIO()
    Image.fromarray(ground.astype(np.uint8)).save(file, "JPEG")
    return file.getvalue()


def image_folder(folder: Path, pictures: int) -> None:
    """Write `train/apple/*.jpg`, `validation/...`, `test/...`."""
    for made in make(pictures):
        path = folder / made.split / CLASSES[made.label] / made.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made.data)


def table(folder: Path, pictures: int, *, names: bool = True) -> None:
    """Write `pictures/*.jpg` and a table; labels are names, or numbers."""
    (folder / "pictures").mkdir(parents=True)
    texts = CLASSES if names else tuple(map(str, range(len(CLASSES))))
    with (folder / "table.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "true_label", "split"])
        for made in make(pictures):
            (folder / "pictures" / made.name).write_bytes(made.data)
            is_known = made.is_checked or made.split != "train"
            true = texts[made.true_label] if is_known else ""
            rows.writerow([f"pictures/{made.name}", texts[made.label], true, made.split])


def numbered_table(folder: Path, pictures: int) -> None:
    """Write a table whose labels are numbers."""
    table(folder, pictures, names=False)


def clothing1m(folder: Path, pictures: int) -> None:
    """Write a tree as Clothing1M has it."""
    (folder / "images").mkdir(parents=True)
    lines: dict[str, list[str]] = {}

    def add(name: str, line: str) -> None:
        lines.setdefault(name, []).append(line)

    for made in make(pictures):
        key = f"images/{made.name}"
        (folder / key).write_bytes(made.data)
        if made.split == "train":
            add("noisy_train_key_list.txt", key)
            add("noisy_label_kv.txt", f"{key} {made.label}")
        if made.is_checked or made.split != "train":
            name = {"train": "train", "validation": "val", "test": "test"}[made.split]
            add(f"clean_{name}_key_list.txt", key)
            add("clean_label_kv.txt", f"{key} {made.true_label}")
    lines["category_names_eng.txt"] = list(CLASSES)
    for name, each in lines.items():
        (folder / name).write_text("\n".join(each) + "\n")


def parquet(folder: Path, pictures: int) -> None:
    """Write Parquet files with pictures inside, one a split."""
    import polars

    (folder / "data").mkdir(parents=True)
    made = list(make(pictures))
    for split in SPLITS:
        own = [one for one in made if one.split == split]
        known = [one.is_checked or split != "train" for one in own]
        true = [
            one.true_label if is_known else None for one, is_known in zip(own, known, strict=True)
        ]
        columns = {
            "image": [{"bytes": one.data, "path": one.name} for one in own],
            "label": [one.label for one in own],
            "true_label": true,
        }
        polars.DataFrame(columns).write_parquet(folder / f"data/{split}-00000-of-00001.parquet")


def webdataset(folder: Path, pictures: int) -> None:
    """Write tars of samples: a picture and its class."""
    folder.mkdir(parents=True)
    made = list(make(pictures))
    for split in SPLITS:
        with tarfile.open(folder / f"{split}-000000.tar", "w") as tar:
            for one in (each for each in made if each.split == split):
                stem = one.name.removesuffix(".jpg")
                for name, data in ((one.name, one.data), (f"{stem}.cls", str(one.label).encode())):
                    member = tarfile.TarInfo(name)
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))


def cifar_n(folder: Path, pictures: int) -> None:
    """Write CIFAR-10's batches and CIFAR-10N's file of labels by people."""
    import torch

    batches = folder / "cifar-10-batches-py"
    batches.mkdir(parents=True)
    made = list(make(pictures, side=32))
    training = [one for one in made if one.split == "train"]
    training = training[: len(training) // 5 * 5]
    for number in range(5):
        write_batch(batches / f"data_batch_{number + 1}", training[number::5])
    write_batch(batches / "test_batch", [one for one in made if one.split == "test"])
    names = [*CLASSES, *(f"class {number}" for number in range(4, 10))]
    (batches / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))
    order = [one for number in range(5) for one in training[number::5]]
    labels = {
        "clean_label": np.array([one.true_label for one in order]),
        "worse_label": np.array([one.label for one in order]),
    }
    torch.save(labels, folder / "CIFAR-10_human.pt")


def write_batch(path: Path, made: list[Made]) -> None:
    """Write a batch of CIFAR-10: pictures as rows of 3,072 bytes, and true labels."""
    arrays = [np.asarray(Image.open(io.BytesIO(one.data))).transpose(2, 0, 1) for one in made]
    rows = np.stack(arrays).reshape(len(made), -1).astype(np.uint8)
    labels = [one.true_label for one in made]
    path.write_bytes(pickle.dumps({"data": rows, "labels": labels}))


KINDS: dict[str, Callable[[Path, int], None]] = {
    "image_folder": image_folder, "table": table, "numbered_table": numbered_table,
    "clothing1m": clothing1m, "parquet": parquet, "webdataset": webdataset, "cifar_n": cifar_n,
}  # fmt: skip


if __name__ == "__main__":
    kind, target, *count = sys.argv[1:]
    KINDS[kind](Path(target), int(count[0]) if count else 400)
