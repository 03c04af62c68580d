"""A CSV or TSV file with a row a picture: path, label, true_label, split."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from mct.base.errors import UserError, preview
from mct.base.texts import read_table, refuse_foreign, trim
from mct.data.layouts.base import UNKNOWN, Row
from mct.data.layouts.classes import classes_of_texts, given_classes
from mct.data.layouts.draws import CLEAN_STREAM, choose, name_share
from mct.data.layouts.settings import DatasetSettings
from mct.data.layouts.storage import refuse_outside
from mct.data.layouts.stored import StoredLayout, spell_path

TRAINING, VALIDATION, TEST = "train", "validation", "test"


class Entry(NamedTuple):
    """A row of the table, as text; `COLUMNS` but for its line."""

    line: int
    path: str
    label: str
    true_label: str
    split: str


COLUMNS = ("path", "label", "true_label", "split")


class Table(StoredLayout):
    """A data set that a table describes; labels are numbers or names of classes."""

    keys = ("archives", "classes", "clean_fraction", "table")
    own_clean_fraction = 1.0

    def __init__(self, settings: DatasetSettings) -> None:
        super().__init__(settings)
        refuse_outside([settings.table], self._root)
        self._path = self._root / settings.table

    def _lists(self) -> list[Path]:
        return [self._path]

    @cached_property
    def _entries(self) -> list[Entry]:
        entries = read_entries(self._path)
        refuse_outside([entry.path for entry in entries], self._path)
        return entries

    @cached_property
    def _classes(self) -> tuple[list[str], dict[str, int]]:
        """The classes' names, and the number that each text in the table stands for."""
        entries, places = self._entries, dict[str, str]()
        for entry in entries:
            places.setdefault(entry.label, f", line {entry.line}")
            places.setdefault(entry.true_label, f", line {entry.line}")
        names, numbers = classes_of_texts(places, given_classes(self.settings), str(self._path))
        for entry in entries:
            self._check(entry, numbers)
        if self.settings.classes is None and not self.is_synthetic:
            self._check_columns(numbers)
        return names, numbers

    def _check_columns(self, numbers: dict[str, int]) -> None:
        """Raise UserError if labels and true labels name classes in two ways, or one is no class."""
        training = [entry for entry in self._entries if entry.split == TRAINING]
        held_out = {e.true_label for e in self._entries if e.split != TRAINING}
        true = {e.true_label: e for e in training if numbers[e.true_label] != UNKNOWN}
        observed = {numbers[entry.label]: entry.label for entry in training}
        others = {numbers[text] for text in (*true, *held_out)}
        if observed and others.isdisjoint(observed):
            texts = preview(sorted(observed.values())), preview(sorted({*true, *held_out}))
            raise UserError(
                f"{self._path}: label and true_label have no class in common ({texts[0]} and "
                f"{texts[1]}); write classes the same way in both columns"
            )
        known = {*observed, *(numbers[text] for text in held_out)}
        for text, entry in true.items():
            if numbers[text] not in known:
                raise UserError(
                    f"{self._path}, line {entry.line}: {entry.path}: true_label {text!r} is a class of "
                    "no other label; leave the cell empty if it means unknown, else list all classes "
                    "in dataset.classes"
                )

    def _check(self, entry: Entry, numbers: dict[str, int]) -> None:
        """Raise UserError if a row's split is unknown or lacks the label that it needs."""
        where = f"{self._path}, line {entry.line}: {entry.path}"
        if entry.split not in (TRAINING, VALIDATION, TEST):
            raise UserError(
                f"{where}: split: expected {TRAINING}, {VALIDATION} or {TEST}, got {entry.split!r}; "
                "correct the cell"
            )
        column, need = self._needed(entry.split)
        text = getattr(entry, column)
        if numbers[text] == UNKNOWN:
            got = f"the marker {text.strip()!r} for an unknown label" if text.strip() else "nothing"
            hint = "; if it is a class, give the names of all in dataset.classes"
            raise UserError(
                f"{where}: {column}: {need} needs one, got {got}"
                f"{hint if text.strip() else '; fill the cell, or take the row out'}"
            )

    def _needed(self, split: str) -> tuple[str, str]:
        """Return the column that a split's rows must fill, and what needs it."""
        if split != TRAINING:
            return "true_label", f"split {split}"
        return ("true_label", "synthetic noise") if self.is_synthetic else ("label", "split train")

    def class_names(self) -> list[str]:
        """Return `dataset.classes`, else the names in the table, sorted, or numbers from 0."""
        return list(self._classes[0])

    def clean_source(self) -> str:
        """Return which of the verified training pictures are clean."""
        return name_share(self._clean_fraction, "the training pictures with a true label")

    def sizes(self) -> dict[str, int]:
        _ = self._classes  # checked
        splits = [entry.split for entry in self._entries]
        held_out = {name: splits.count(name) for name in (VALIDATION, TEST)}
        return {"noisy": splits.count(TRAINING), "clean": len(self._clean), **held_out}

    @cached_property
    def _clean(self) -> set[str]:
        numbers = self._classes[1]
        training = (entry for entry in self._entries if entry.split == TRAINING)
        known = [entry.path for entry in training if numbers[entry.true_label] != UNKNOWN]
        return choose(known, self._clean_fraction, self.settings.seed, CLEAN_STREAM)

    def _rows(self) -> Iterator[Row]:
        """Yield one row per row of the table; training pictures are noisy, some clean as well."""
        numbers = self._classes[1]
        for entry in self._entries:
            is_training = entry.split == TRAINING
            observed = numbers[entry.label] if is_training else UNKNOWN
            sets = {"noisy": is_training, "clean": entry.path in self._clean}
            sets |= {name: entry.split == name for name in (VALIDATION, TEST)}
            yield Row(entry.path, entry.path, observed, numbers[entry.true_label], **sets)


def read_entries(path: Path) -> list[Entry]:
    """Return the rows of a table; UserError if it lacks a column or cannot be read."""
    once = dict[str, str]()  # Millions of rows share few labels.

    def shared(text: str, line: int) -> str:
        if text not in once:
            refuse_foreign(text, f"{path}, line {line}")
        return once.setdefault(text, text)

    entries = []
    for line, (name, *labels, split) in read_table(path, COLUMNS):
        texts = (shared(text, line) for text in (*labels, trim(split)))
        entries.append(Entry(line, spell_path(trim(name)), *texts))
    return entries
