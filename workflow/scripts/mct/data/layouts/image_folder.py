"""Folders of classes: `train/<class>/`, and `clean/`, `validation/` and `test/` like it.

Labels of `train/` are noisy, those of the other folders true. Clean pictures are those of `clean/`,
or a part of the held-out ones; none are ever taken from `train/`, whose labels nobody verified.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from mct.base.errors import UserError
from mct.base.settings import DatasetSettings
from mct.data.layouts.base import UNKNOWN, Row, StoredLayout, names_in, picture_names
from mct.data.layouts.classes import order_folders
from mct.data.layouts.draws import CLEAN_STREAM, choose, halve
from mct.data.layouts.measuring import finished, refuse_builtin

TRAINING, CLEAN, VALIDATION, TEST = "train", "clean", "validation", "test"
Labels = dict[str, int]


class ImageFolder(StoredLayout):
    """A data set of folders of classes; a class's number is its place among the names of `train/`."""

    keys = ("classes", "clean_fraction")
    counts_confusion = counts_rate = False

    def __init__(self, settings: DatasetSettings) -> None:
        super().__init__(settings)
        if settings.synthetic_noise.kind == "none":
            refuse_builtin(settings)
        self._check_folders()

    def _has(self, folder: str) -> bool:
        return (self._root / folder).is_dir()

    def _check_folders(self) -> None:
        """Raise UserError if there is nothing to draw a set from that is missing."""
        if not self._has(TRAINING):
            raise UserError(f"{self._root}: expected a folder {TRAINING}/, found none")
        if not self._has(VALIDATION) and not self._has(TEST):
            raise UserError(f"{self._root}: expected a folder {VALIDATION}/ or {TEST}/, found none")
        fraction = self._settings.clean_fraction
        if not self._has(CLEAN) and fraction is None:
            raise UserError(
                f"{self._root}: expected a folder {CLEAN}/, or a dataset.clean_fraction of the "
                "held-out pictures that serves as clean; found neither"
            )
        if self._has(CLEAN) and fraction is not None:
            raise UserError(
                f"dataset.clean_fraction: {self._root} has a folder {CLEAN}/, which is the clean "
                f"set; expected null, got {fraction}"
            )

    @cached_property
    def _classes(self) -> list[str]:
        folder = self._root / TRAINING
        found = [name for name in names_in(folder) if (folder / name).is_dir()]
        return order_folders(found, self._settings, str(folder))

    def class_names(self) -> list[str]:
        """Return the names of the folders in `train/`, sorted or as `dataset.classes` orders them."""
        return self._classes

    @cached_property
    def _pictures(self) -> dict[str, Labels]:
        """The label of each picture by its path, for each folder that is there."""
        folders = (TRAINING, CLEAN, VALIDATION, TEST)
        return {folder: self._labels(folder) for folder in folders if self._has(folder)}

    def _labels(self, folder: str) -> Labels:
        top, classes = self._root / folder, {n: i for i, n in enumerate(self._classes)}
        found = [name for name in names_in(top) if (top / name).is_dir()]
        unknown = [name for name in found if name not in classes]
        if unknown:
            raise UserError(f"{top / unknown[0]}: expected a class of {TRAINING}/, found no such")
        return {
            f"{folder}/{name}/{file}": classes[name]
            for name in found
            for file in picture_names(top / name)
        }

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
            halves = halve(pool, self._settings.seed)
            for name, paths in zip((VALIDATION, TEST), halves, strict=True):
                held_out[name] = {path: pool[path] for path in sorted(paths)}
        return {CLEAN: clean, **held_out}

    def _draw_clean(self, pool: Labels) -> Labels:
        fraction = self._settings.clean_fraction or 0.0
        chosen = choose(pool, fraction, self._settings.seed, CLEAN_STREAM)
        return {path: pool[path] for path in sorted(chosen)}

    def clean_source(self) -> str:
        """Return the folder, or what was drawn in its place."""
        fraction = self._settings.clean_fraction
        if fraction is None:
            return f"the folder {CLEAN}/"
        return f"{fraction:g} of the held-out pictures, drawn by seed"

    def sizes(self) -> dict[str, int]:
        """Return the sizes from counting files."""
        drawn = {name: len(labels) for name, labels in self._drawn.items()}
        return {"noisy": len(self._pictures[TRAINING]), **drawn}

    def rows(self, threads: int = 1) -> Iterator[Row]:
        """Yield the pictures of `train/`, then clean and held-out ones."""
        return finished(self._rows(), self._settings, self._classes, self.read, threads)

    def _rows(self) -> Iterator[Row]:
        yield from self._training_rows()
        for name, labels in self._drawn.items():
            for path, label in labels.items():
                members = {CLEAN: name == CLEAN, VALIDATION: name == VALIDATION, TEST: name == TEST}
                yield Row(path, path, true=label, **members)

    def _training_rows(self) -> Iterator[Row]:
        """Yield noisy rows; where noise is synthetic the folders' labels are the truth."""
        is_truth = self._settings.synthetic_noise.kind != "none"
        for path, label in self._pictures[TRAINING].items():
            observed, true = (UNKNOWN, label) if is_truth else (label, UNKNOWN)
            yield Row(path, path, observed=observed, true=true, noisy=True)
