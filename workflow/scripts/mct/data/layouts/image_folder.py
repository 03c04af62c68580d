"""Folders of classes: `train/<class>/`, and `clean/`, `validation/` and `test/` like it.

Labels of `train/` are noisy, labels of the other folders true. Clean pictures are in `clean/`,
or a part of the held-out ones; none are ever taken from `train/`, whose labels nobody verified.
The class is the first folder below the set's; deeper folders only hold pictures.
"""

import os
import stat
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from mct.base.errors import UserError, preview
from mct.base.names import is_utf8, key_of
from mct.base.texts import nearest
from mct.data.layouts.base import UNKNOWN, Layout, Row
from mct.data.layouts.classes import order_folders
from mct.data.layouts.draws import CLEAN_STREAM, choose, halve, name_share
from mct.data.layouts.folders import Skipped, ignored, list_pictures, skip
from mct.data.layouts.settings import DatasetSettings
from mct.data.layouts.storage import entries_of, mode_of, real_path
from mct.data.layouts.stored import StoredLayout

TRAINING, CLEAN, VALIDATION, TEST = "train", "clean", "validation", "test"
SETS = {
    "train": TRAINING, "clean": CLEAN, "validation": VALIDATION, "val": VALIDATION,
    "valid": VALIDATION, "test": TEST,
}  # fmt: skip
"""The sets by the names that their folders may have."""
Labels = dict[str, int]


class Level(NamedTuple):
    """The folders in a folder, and its other entries, which are no pictures of any class."""

    folders: list[str]
    skipped: list[Skipped]


class ImageFolder(StoredLayout):
    """A data set of folders of classes; a class's number is its place among the names of `train/`."""

    keys = ("classes", "clean_fraction")
    counts_confusion = counts_rate = False
    missing = Layout.missing

    def __init__(self, settings: DatasetSettings) -> None:
        self.brings_truth = settings.synthetic_noise.kind != "none"
        super().__init__(settings)
        self._check_folders()

    def _has(self, folder: str) -> bool:
        return folder in self._folders

    def _level(self, folder: str) -> Level:
        """Return what lies directly in a folder, by its path below the root."""
        level = Level([], [])
        for entry in entries_of(self._root / folder):
            path = f"{folder}/{entry.name}" if folder else entry.name
            reason = ignored(entry.name)
            if reason or not stat.S_ISDIR(mode_of(Path(entry.path))):
                level.skipped.append(skip(entry, path, reason or "outside_classes"))
            elif self._root.resolve().is_relative_to(os.path.realpath(entry.path)):  # a loop
                level.skipped.append(skip(entry, path, "link_to_folder"))
            else:
                real_path(self._root, path)
                level.folders.append(entry.name)
        return level

    @cached_property
    def _top(self) -> Level:
        return self._level("")

    @cached_property
    def _folders(self) -> dict[str, str]:
        """The folder of each set that has one."""
        found: dict[str, str] = {}
        for name in self._top.folders:
            if name not in SETS:
                raise UserError(
                    f"{self._root / key_of(name)}: no set has this name; {_hint(name, SETS)}; "
                    "rename the folder or move it out of the data set"
                )
            other = found.setdefault(SETS[name], name)
            if other != name:
                raise UserError(
                    f"{self._root}: {other}/ and {name}/ both mean {SETS[name]}; expected one; move "
                    "the pictures of one into the other"
                )
        return found

    def _check_folders(self) -> None:
        """Raise UserError if there is nothing to draw a set from that is missing."""
        if not self._has(TRAINING):
            raise UserError(
                f"{self._root}: expected a folder {TRAINING}/, found none; put a folder of pictures "
                "for each class into one, or correct dataset.root"
            )
        if not self._has(VALIDATION) and not self._has(TEST):
            raise UserError(
                f"{self._root}: expected a folder {VALIDATION}/ or {TEST}/, found none; put checked "
                "pictures, in a folder for each class, into one"
            )
        fraction = self.settings.clean_fraction
        if not self._has(CLEAN) and fraction is None:
            raise UserError(
                f"{self._root}: expected a folder {CLEAN}/, or a dataset.clean_fraction of the "
                "held-out pictures that serves as clean; found neither; set dataset.clean_fraction "
                "(0.5 is usual), or put checked pictures into that folder"
            )
        if self._has(CLEAN) and fraction is not None:
            raise UserError(
                f"dataset.clean_fraction: {self._root} has a folder {CLEAN}/, which is the clean "
                f"set; expected null, got {fraction}; leave it out"
            )

    @cached_property
    def _levels(self) -> dict[str, Level]:
        """The classes' folders in the folder of each set that has one."""
        present = filter(self._has, dict.fromkeys(SETS.values()))
        return {name: self._level(self._folders[name]) for name in present}

    @cached_property
    def _classes(self) -> list[str]:
        found, top = self._levels[TRAINING].folders, self._root / self._folders[TRAINING]
        for name in found:
            if not is_utf8(key_of(name)):
                raise UserError(
                    f"{top / key_of(name)}: the name of a class is not UTF-8; rename the folder"
                )
        return order_folders(found, self.settings, str(top))

    def class_names(self) -> list[str]:
        """Return the names of the folders in `train/`, sorted or as `dataset.classes` orders them."""
        return self._classes

    @cached_property
    def _listed(self) -> tuple[dict[str, Labels], list[Skipped]]:
        """The label of each picture by its path, for each set with a folder, and what is skipped."""
        pictures: dict[str, Labels] = {}
        skipped = list(self._top.skipped)
        for name, level in self._levels.items():
            pictures[name] = {}
            skipped += level.skipped
            self._check_classes(name)
            for label, cls in enumerate(self._classes):
                if cls in level.folders:
                    listing = list_pictures(self._root, "", f"{self._folders[name]}/{cls}")
                    self._check_deeper(cls, listing.pictures)
                    pictures[name].update(dict.fromkeys(listing.pictures, label))
                    skipped += listing.skipped
        return pictures, skipped

    def _check_classes(self, name: str) -> None:
        """Raise UserError if a set has a folder that is no class."""
        for found in self._levels[name].folders:
            if found not in self._classes:
                raise UserError(
                    f"{self._root / self._folders[name] / key_of(found)}: expected a class of "
                    f"{TRAINING}/, found no such; {_hint(found, self._classes)}; rename the folder"
                )

    def _check_deeper(self, cls: str, pictures: list[str]) -> None:
        """Raise UserError if a folder inside a class's is named like another class."""
        others = {key_of(name) for name in self._classes if name != cls}
        for path in pictures:
            if path.count("/") > 2 and not others.isdisjoint(path.split("/")[2:-1]):
                raise UserError(
                    f"{self._root / path}: two classes are in this path; expected the class to be "
                    "the first folder and no class's name below it; move or rename the folder"
                )

    @property
    def _pictures(self) -> dict[str, Labels]:
        return self._listed[0]

    def skipped(self) -> list[Skipped]:
        return self._listed[1]

    def listed_names(self) -> list[str]:
        """Return the paths of all pictures: their folders are the lists."""
        return [path for labels in self._pictures.values() for path in labels]

    def listed_folders(self) -> list[Path]:
        """Return the root: all pictures lie in folders below it."""
        return [self._root]

    @cached_property
    def _drawn(self) -> dict[str, Labels]:
        """The labels of clean, validation and test; what has no folder is drawn."""
        held_out = {name: self._pictures.get(name, {}) for name in (VALIDATION, TEST)}
        source = VALIDATION if self._has(VALIDATION) else TEST
        clean = self._pictures.get(CLEAN) or self._draw_clean(held_out[source])
        for name in (VALIDATION, TEST):
            held_out[name] = {p: k for p, k in held_out[name].items() if p not in clean}
        if not (self._has(VALIDATION) and self._has(TEST)):
            pool = held_out[source]
            halves = halve(pool, self.settings.seed)
            for name, paths in zip((VALIDATION, TEST), halves, strict=True):
                held_out[name] = {path: pool[path] for path in sorted(paths)}
        return {CLEAN: clean, **held_out}

    def _draw_clean(self, pool: Labels) -> Labels:
        fraction = self.settings.clean_fraction or 0.0
        chosen = choose(pool, fraction, self.settings.seed, CLEAN_STREAM)
        return {path: pool[path] for path in sorted(chosen)}

    def clean_source(self) -> str:
        fraction = self.settings.clean_fraction
        if fraction is None:
            return f"the folder {CLEAN}/"
        return name_share(fraction, "the held-out pictures")

    def sizes(self) -> dict[str, int]:
        drawn = {name: len(labels) for name, labels in self._drawn.items()}
        return {"noisy": len(self._pictures[TRAINING]), **drawn}

    def _rows(self) -> Iterator[Row]:
        """Yield the pictures of `train/`, then clean and held-out ones."""
        yield from self._training_rows()
        for name, labels in self._drawn.items():
            for path, label in labels.items():
                members = {CLEAN: name == CLEAN, VALIDATION: name == VALIDATION, TEST: name == TEST}
                yield Row(path, path, true=label, **members)

    def _training_rows(self) -> Iterator[Row]:
        """Yield noisy rows; where noise is synthetic the folders' labels are the truth."""
        for path, label in self._pictures[TRAINING].items():
            observed, true = (UNKNOWN, label) if self.is_synthetic else (label, UNKNOWN)
            yield Row(path, path, observed=observed, true=true, noisy=True)


def _hint(name: str, known: Collection[str]) -> str:
    """Return which of the known names is meant, or all of them."""
    near = nearest(name, known)
    return f"did you mean {near}?" if near else f"expected one of {preview(list(known), 6)}"
