"""Food-101N (Lee et al., CVPR 2018), tested on Food-101 (Bossard et al., ECCV 2014).

A verification label says whether the class label of a picture is right. Where it is 1 the class
label is true; where it is 0 the true one is not known.
"""

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from mct.base.errors import UserError, preview
from mct.base.settings import DatasetSettings
from mct.data.layouts.base import UNKNOWN, Row, StoredLayout, existing_folder, read_lines
from mct.data.layouts.measuring import finished, refuse_builtin
from mct.data.layouts.storage import refuse_outside

CLASSES, IMAGES = "classes.txt", "imagelist.tsv"
VERIFIED = {"clean": "verified_train.tsv", "validation": "verified_val.tsv"}
HEADERS = ("class_name", "class_name/key")


class Food101N(StoredLayout):
    """A data set laid out like Food-101N, with Food-101 beside it."""

    keys = ("archives", "test_root")
    counts_confusion = False

    def __init__(self, settings: DatasetSettings) -> None:
        self._test_root = existing_folder(settings.test_root, settings.layout, "test_root")
        super().__init__(settings, test=self._test_root)
        self._meta = self._root / "meta"
        refuse_builtin(settings)

    def _lists(self) -> list[Path]:
        files = (CLASSES, IMAGES, *VERIFIED.values())
        return [*(self._meta / name for name in files), self._test_list]

    @property
    def _test_list(self) -> Path:
        text = self._test_root / "meta" / "test.txt"
        return text if text.is_file() else text.with_suffix(".json")

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: label for label, name in enumerate(_entries(self._meta / CLASSES))}

    def class_names(self) -> list[str]:
        """Return the names of the list of classes, without its header."""
        return list(self._numbers)

    def sizes(self) -> dict[str, int]:
        """Return the sizes from the lists' lines."""
        verified = {name: self._verified(file) for name, file in VERIFIED.items()}
        counts = {name: sum(labels.values()) for name, labels in verified.items()}
        noisy = len(_entries(self._meta / IMAGES)) - len(verified["validation"])
        return {"noisy": noisy, **counts, "test": len(self._test_keys)}

    def _verified(self, file: str) -> dict[str, bool]:
        """Return the verification labels of a list by key."""
        verified = {}
        for line in _entries(self._meta / file):
            key, _, label = line.partition("\t")
            if label.strip() not in ("0", "1"):
                raise UserError(f"{self._meta / file}: expected `key<TAB>0 or 1`, got {line!r}")
            verified[key] = label.strip() == "1"
        return verified

    @cached_property
    def _test_keys(self) -> list[str]:
        if self._test_list.suffix == ".txt":
            return read_lines(self._test_list)
        try:
            return [
                key for keys in json.loads(self._test_list.read_bytes()).values() for key in keys
            ]
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise UserError(f"{self._test_list}: cannot be read as a list: {error}") from error

    def rows(self, threads: int = 1) -> Iterator[Row]:
        """Yield the pictures of Food-101N, then Food-101's test pictures."""
        return finished(self._rows(), self._settings, len(self._numbers), self.read, threads)

    def _rows(self) -> Iterator[Row]:
        images = _entries(self._meta / IMAGES)
        clean, validation = (self._verified(file) for file in VERIFIED.values())
        self._check_listed(clean, validation, images)
        for key in sorted({*images, *validation}):
            label, right = self._label(key, self._meta / IMAGES), clean.get(key, False)
            held_out = key in validation
            if held_out and not validation[key]:
                continue
            yield Row(
                key=f"images/{key}",
                path=f"images/{key}",
                observed=UNKNOWN if held_out else label,
                true=label if held_out or right else UNKNOWN,
                noisy=not held_out,
                clean=right,
                validation=held_out,
                right=clean.get(key, UNKNOWN),
            )
        yield from self._test_rows()

    def _test_rows(self) -> Iterator[Row]:
        refuse_outside(self._test_keys, self._test_list)
        for key in self._test_keys:
            path = f"test:images/{key}.jpg"
            yield Row(path, path, true=self._label(key, self._test_list), test=True)

    def _check_listed(
        self, clean: dict[str, bool], validation: dict[str, bool], images: list[str]
    ) -> None:
        path = self._meta / VERIFIED["clean"]
        refuse_outside(images, self._meta / IMAGES)
        refuse_outside(validation, self._meta / VERIFIED["validation"])
        refuse_keys(clean.keys() & validation.keys(), path, f"also in {VERIFIED['validation']}")
        refuse_keys(clean.keys() - set(images), path, f"not in {IMAGES}")

    def _label(self, key: str, path: Path) -> int:
        name = key.split("/")[0]
        if name not in self._numbers:
            raise UserError(f"{path}: key {key}: no class {name} in {self._meta / CLASSES}")
        return self._numbers[name]


def _entries(path: Path) -> list[str]:
    """Return the lines of a list, without its header."""
    lines = read_lines(path)
    return lines[1:] if lines and lines[0].split("\t")[0] in HEADERS else lines


def refuse_keys(keys: set[str], path: Path, reason: str) -> None:
    """Raise UserError if there are such keys."""
    if keys:
        raise UserError(f"{path}: {len(keys)} keys are {reason}: {preview(sorted(keys))}")
