"""Food-101N (Lee et al., CVPR 2018), tested on Food-101 (Bossard et al., ECCV 2014).

A verification label says whether the class label of a picture is right. Where it is 1 the class
label is true; where it is 0 the true one is not known.
"""

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from mct.base.errors import UserError, preview
from mct.base.texts import read_lines, read_text, refuse_foreign, whole_number
from mct.data.layouts.base import UNKNOWN, Row
from mct.data.layouts.classes import is_marker, refuse_twice, unify
from mct.data.layouts.settings import DatasetSettings
from mct.data.layouts.storage import refuse_outside
from mct.data.layouts.stored import StoredLayout, existing_folder, spell_path, split_line

CLASSES, IMAGES = "classes.txt", "imagelist.tsv"
VERIFIED = {"clean": "verified_train.tsv", "validation": "verified_val.tsv"}
HEADERS = ("class_name", "class_name/key")


class Food101N(StoredLayout):
    """A data set laid out like Food-101N, with Food-101 next to it."""

    keys = ("archives", "test_root")
    counts_confusion = brings_truth = False

    def __init__(self, settings: DatasetSettings) -> None:
        self._test_root = existing_folder(settings.test_root, settings.layout, "test_root")
        super().__init__(settings, test=self._test_root)
        self._meta = self._root / "meta"

    def _lists(self) -> list[Path]:
        files = (CLASSES, IMAGES, *VERIFIED.values())
        return [*(self._meta / name for name in files), self._test_list]

    @property
    def _test_list(self) -> Path:
        text = self._test_root / "meta" / "test.txt"
        return text if text.is_file() else text.with_suffix(".json")

    @cached_property
    def _numbers(self) -> dict[str, int]:
        names = _entries(self._meta / CLASSES)
        refuse_twice(names, self._meta / CLASSES)
        return {unify(name): label for label, name in enumerate(names)}

    def class_names(self) -> list[str]:
        return list(self._numbers)

    def sizes(self) -> dict[str, int]:
        verified = {name: self._verified(file) for name, file in VERIFIED.items()}
        counts = {name: sum(labels.values()) for name, labels in verified.items()}
        noisy = len(set(self._images) - verified["validation"].keys())
        return {"noisy": noisy, **counts, "test": len(self._test_keys)}

    @cached_property
    def _images(self) -> list[str]:
        return list(map(spell_path, _entries(self._meta / IMAGES, foreign=True)))

    def _verified(self, file: str) -> dict[str, bool]:
        """Return the verification labels of a list by key; a marker for unknown is none."""
        path, verified = self._meta / file, dict[str, bool]()
        for number, line in enumerate(_entries(path, foreign=True), start=2):
            key, text = split_line(line)
            refuse_foreign(text, f"{path}, entry {number}")
            label = whole_number(text)
            if "\t" not in line or not (label in (0, 1) or is_marker(text)):
                raise UserError(
                    f"{path}: expected `key<TAB>0 or 1`, got {line!r}; correct the line"
                )
            if label not in (0, 1):
                continue
            key = spell_path(key)
            if verified.setdefault(key, label == 1) != (label == 1):
                raise UserError(
                    f"{path}: key {key} is verified both as right (1) and as wrong (0); expected one line; "
                    "remove the wrong one"
                )
        return verified

    @cached_property
    def _test_keys(self) -> list[str]:
        path = self._test_list
        if path.suffix == ".txt":
            return list(map(spell_path, read_lines(path, foreign=True)))
        try:
            lists = {name: list(keys) for name, keys in json.loads(read_text(path)).items()}
            keys = [(name, spell_path(key)) for name, keys in lists.items() for key in keys]
        except (ValueError, AttributeError, TypeError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(
                f"{path}: cannot be read as a list: {error}; copy the file again"
            ) from error
        strays = [f"{key} under {name}" for name, key in keys if key.split("/")[0] != name]
        if strays:
            raise UserError(
                f"{path}: {len(strays)} keys are of another class: {preview(strays)}; "
                "correct the list"
            )
        return [key for _, key in keys]

    def _rows(self) -> Iterator[Row]:
        """Yield the pictures of Food-101N, then Food-101's test pictures."""
        images = self._images
        clean, validation = (self._verified(file) for file in VERIFIED.values())
        self._check_listed(clean, validation, images)
        for key in sorted({*images, *validation}):
            label, right = self._label(key, self._meta / IMAGES), clean.get(key, False)
            held_out = key in validation
            if held_out and not validation[key]:
                continue
            path, sets = f"images/{key}", {"clean": right, "validation": held_out}
            labels = UNKNOWN if held_out else label, label if held_out or right else UNKNOWN
            yield Row(path, path, *labels, not held_out, **sets, right=clean.get(key, UNKNOWN))
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
        name = unify(key.split("/")[0])
        if name not in self._numbers:
            raise UserError(
                f"{path}: key {key}: no class {name} in {self._meta / CLASSES}; add "
                "it there, or correct the key"
            )
        return self._numbers[name]


def _entries(path: Path, *, foreign: bool = False) -> list[str]:
    """Return the lines of a list, without its header."""
    lines = read_lines(path, foreign=foreign)
    return lines[1:] if lines and lines[0].split("\t")[0] in HEADERS else lines


def refuse_keys(keys: set[str], path: Path, reason: str) -> None:
    """Raise UserError if there are such keys."""
    if keys:
        raise UserError(
            f"{path}: {len(keys)} keys are {reason}: {preview(sorted(keys))}; correct "
            "one of the lists"
        )
