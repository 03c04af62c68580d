"""A CSV or TSV file with a row a picture: path, label, true_label, split."""

import csv
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from mct.base.errors import UserError
from mct.base.settings import DatasetSettings
from mct.data.layouts.base import UNKNOWN, Row, StoredLayout
from mct.data.layouts.draws import CLEAN_STREAM, choose
from mct.data.layouts.measuring import finished
from mct.data.layouts.storage import refuse_outside

TRAINING, VALIDATION, TEST = "train", "validation", "test"
CLEAN_FRACTION = 1.0
MOST_CLASSES_OF_FEW = 20
"""Numbers below this are taken as they are, however few of them a small table has."""


class Entry(NamedTuple):
    """A row of the table, as text; its fields are the columns."""

    path: str
    label: str
    true_label: str
    split: str


class Table(StoredLayout):
    """A data set that a table describes; labels are numbers or names of classes."""

    keys = ("archives", "clean_fraction", "table")

    def __init__(self, settings: DatasetSettings) -> None:
        super().__init__(settings)
        refuse_outside([settings.table], self._root)
        self._path = self._root / settings.table

    @property
    def _is_synthetic(self) -> bool:
        return self._settings.synthetic_noise.kind != "none"

    def _lists(self) -> list[Path]:
        return [self._path]

    @cached_property
    def _entries(self) -> list[Entry]:
        entries = read_table(self._path)
        refuse_outside([entry.path for entry in entries], self._path)
        for entry in entries:
            self._check(entry)
        return entries

    def _check(self, entry: Entry) -> None:
        """Raise UserError if a row's split is unknown or lacks the label that it needs."""
        if entry.split not in (TRAINING, VALIDATION, TEST):
            raise UserError(
                f"{self._path}: {entry.path}: split: expected {TRAINING}, {VALIDATION} or {TEST}, "
                f"got {entry.split!r}"
            )
        column, need = self._needed(entry.split)
        if not getattr(entry, column):
            raise UserError(f"{self._path}: {entry.path}: {column}: {need} needs one, got nothing")

    def _needed(self, split: str) -> tuple[str, str]:
        """Return the column that a split's rows must fill, and what needs it."""
        if split != TRAINING:
            return "true_label", f"split {split}"
        return ("true_label", "synthetic noise") if self._is_synthetic else ("label", "split train")

    @cached_property
    def _classes(self) -> dict[str, int]:
        """The classes' numbers by what stands for them in the table."""
        texts = {
            text for entry in self._entries for text in (entry.label, entry.true_label) if text
        }
        if not all(text.isascii() and text.isdecimal() for text in texts):
            return {name: number for number, name in enumerate(sorted(texts))}
        numbers = {text: int(text) for text in texts}
        self._check_numbers(set(numbers.values()))
        return numbers

    def _check_numbers(self, numbers: set[int]) -> None:
        """Raise UserError if numbers of classes leave out more classes than they name."""
        largest = max(numbers, default=0)
        if largest >= max(2 * len(numbers), MOST_CLASSES_OF_FEW):
            raise UserError(
                f"{self._path}: {len(numbers)} classes have numbers up to {largest}: expected 0 to "
                f"{len(numbers) - 1}; number them so, or give names in place of all numbers"
            )

    def class_names(self) -> list[str]:
        """Return the names in the table, sorted, or the numbers from 0 to the largest."""
        names = {number: name for name, number in self._classes.items()}
        return [names.get(number, str(number)) for number in range(max(names, default=-1) + 1)]

    def clean_source(self) -> str:
        """Return which of the verified training pictures are clean."""
        fraction = self._settings.clean_fraction or CLEAN_FRACTION
        return f"{fraction:g} of the training pictures with a true label, drawn by seed"

    def sizes(self) -> dict[str, int]:
        """Return the sizes from counting rows."""
        splits = [entry.split for entry in self._entries]
        return {
            "noisy": splits.count(TRAINING),
            "clean": len(self._clean),
            VALIDATION: splits.count(VALIDATION),
            TEST: splits.count(TEST),
        }

    @cached_property
    def _clean(self) -> set[str]:
        known = [e.path for e in self._entries if e.split == TRAINING and e.true_label]
        fraction = self._settings.clean_fraction or CLEAN_FRACTION
        return choose(known, fraction, self._settings.seed, CLEAN_STREAM)

    def rows(self, threads: int = 1) -> Iterator[Row]:
        """Yield one row per row of the table; training pictures are noisy, some clean as well."""
        return finished(self._rows(), self._settings, len(self.class_names()), self.read, threads)

    def _rows(self) -> Iterator[Row]:
        for entry in self._entries:
            is_training = entry.split == TRAINING
            yield Row(
                key=entry.path,
                path=entry.path,
                observed=self._classes.get(entry.label, UNKNOWN) if is_training else UNKNOWN,
                true=self._classes.get(entry.true_label, UNKNOWN),
                noisy=is_training,
                clean=entry.path in self._clean,
                validation=entry.split == VALIDATION,
                test=entry.split == TEST,
            )


def read_table(path: Path) -> list[Entry]:
    """Return the rows of a .csv or .tsv file; UserError if it lacks a column or cannot be read."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            lacking = [name for name in Entry._fields if name not in (reader.fieldnames or ())]
            if lacking:
                raise UserError(f"{path}: no column {', '.join(lacking)}; got {reader.fieldnames}")
            return [Entry(*((row[name] or "").strip() for name in Entry._fields)) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as a table: {error}") from error
