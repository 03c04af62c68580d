"""Files that hold pictures with their labels: what the layouts of such files share.

Labels of training are noisy, labels of the other sets true. A training picture may have a true label
as well, since somebody checked it: then such pictures are clean, and noisy as well. Where no training
picture has one, the clean set is the files `clean-*`, or a part of the held-out pictures.
"""

from abc import abstractmethod
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from mct.base.errors import UserError, preview
from mct.base.names import name_of
from mct.data.layouts.base import UNKNOWN, Layout, Row
from mct.data.layouts.classes import classes_of_texts, given_classes, is_marker
from mct.data.layouts.draws import CLEAN_STREAM, choose, halve, name_share
from mct.data.layouts.folders import Skipped
from mct.data.layouts.image_folder import CLEAN, TEST, TRAINING, VALIDATION
from mct.data.layouts.set_files import SetFiles, find_set_files
from mct.data.layouts.settings import DatasetSettings
from mct.data.layouts.stored import StoredLayout

TRUE_LABEL = "true_label"


class Sample(NamedTuple):
    """A picture's key, which is its path, and its labels as text; empty where there is none."""

    key: str
    label: str
    true_label: str = ""


class Labelled(NamedTuple):
    """A picture's key and its labels as numbers of classes, or `UNKNOWN`."""

    key: str
    observed: int
    true: int


class LabelledFiles(StoredLayout):
    """A data set of files that each belong to a set; a kind of files is a subclass."""

    keys = ("classes", "clean_fraction", "label_column")
    own_clean_fraction = 1.0
    missing = Layout.missing
    endings: tuple[str, ...]
    """How the names of the files end, in small letters."""

    def __init__(self, settings: DatasetSettings) -> None:
        self._by_file: dict[str, list[Sample]] = {}
        super().__init__(settings)
        for sets, shown in (((TRAINING,), TRAINING), ((VALIDATION, TEST), "validation or test")):
            if not any(map(self._has, sets)):
                example = f"{sets[0]}-*{self.endings[0]} or {sets[0]}/*{self.endings[0]}"
                raise UserError(
                    f"{self._root}: expected files of {shown} ({example}), found none; "
                    "name files so, or correct dataset.root"
                )

    @abstractmethod
    def _read_samples(self, file: str) -> list[Sample]:
        """Return the samples of a file, by its key, without reading pictures."""

    def _own_names(self) -> list[str] | None:
        """Return the names of all classes in their order, where the files have them."""
        return None

    @cached_property
    def _sets(self) -> SetFiles:
        return find_set_files(self._root, self.endings)

    def _has(self, name: str) -> bool:
        return name in self._sets.files

    def _samples(self, name: str) -> Iterator[Sample]:
        """Yield the samples of a set; each file is read once, when it is reached."""
        for file in self._sets.files.get(name, []):
            if file not in self._by_file:
                self._by_file[file] = self._read_samples(file)
            yield from self._by_file[file]

    @cached_property
    def _is_verified(self) -> bool:
        """Whether a training picture has a true label; files after the first such are not read."""
        return any(not is_marker(sample.true_label) for sample in self._samples(TRAINING))

    @property
    def brings_truth(self) -> bool:  # type: ignore[override]
        """Whether true labels of training pictures come along."""
        return self.is_synthetic or self._is_verified

    @property
    def counts_confusion(self) -> bool:  # type: ignore[override]
        """Whether training pictures have true labels; reads labels until one has."""
        return self._is_verified

    counts_rate = counts_confusion

    def _lists(self) -> list[Path]:
        files = (file for files in self._sets.files.values() for file in files)
        return [self._root / name_of(file) for file in files]

    def listed_folders(self) -> list[Path]:
        """Return the root: all files lie below it."""
        return [self._root]

    def skipped(self) -> list[Skipped]:
        return self._sets.skipped

    @cached_property
    def _classes(self) -> tuple[list[str], dict[str, int]]:
        """The classes' names, and the number that each text of a label stands for."""
        places: dict[str, str] = {}
        for name in self._sets.files:
            for sample in self._samples(name):
                places.setdefault(sample.label, f", {sample.key}")
                places.setdefault(sample.true_label, f", {sample.key}")
        return classes_of_texts(places, self._given_classes(), str(self._root))

    def _given_classes(self) -> list[str] | None:
        return given_classes(self.settings) or self._own_names()

    @cached_property
    def _labelled(self) -> dict[str, list[Labelled]]:
        """The pictures of each set with the labels that they need."""
        found = {
            name: [self._number(name, sample) for sample in self._samples(name)]
            for name in (TRAINING, CLEAN, VALIDATION, TEST)
        }
        if self._given_classes() is None and not self.is_synthetic:
            self._check_classes(found)
        return found

    def _number(self, name: str, sample: Sample) -> Labelled:
        """Return a picture of a set with its labels; UserError if it lacks the one that it needs."""
        numbers = self._classes[1]
        label, true = numbers[sample.label], numbers[sample.true_label]
        if name != TRAINING:
            found = Labelled(sample.key, UNKNOWN, label if true == UNKNOWN else true)
        elif self.is_synthetic:
            found = Labelled(sample.key, UNKNOWN, true if self._is_verified else label)
        else:
            found = Labelled(sample.key, label, true)
        is_noisy = name == TRAINING and not self.is_synthetic
        if (found.observed if is_noisy else found.true) == UNKNOWN:
            raise self._unlabelled(name, sample)
        return found

    def _unlabelled(self, name: str, sample: Sample) -> UserError:
        is_made = name == TRAINING and self.is_synthetic
        column = TRUE_LABEL if is_made and self._is_verified else "label"
        text = (sample.true_label if column == TRUE_LABEL else sample.label).strip()
        got = f"the marker {text!r} for an unknown label" if text else "nothing"
        hint = "; if it is a class, give the names of all in dataset.classes" if text else ""
        need = "synthetic noise" if is_made else name
        return UserError(
            f"{self._root}, {sample.key}: {column}: {need} needs one, got "
            f"{got}{hint or '; fill it in, or leave the picture out'}"
        )

    def _check_classes(self, found: dict[str, list[Labelled]]) -> None:
        """Raise UserError if sets name classes in two ways, or a true label is no other label."""
        names = self._classes[0]
        observed = {one.observed for one in found[TRAINING]}
        held_out = {one.true for name in found if name != TRAINING for one in found[name]}
        checked = {one.true: one.key for one in found[TRAINING] if one.true != UNKNOWN}
        if observed and observed.isdisjoint(held_out | checked.keys()):
            texts = (
                preview(sorted(names[k] for k in some))
                for some in (observed, held_out | {*checked})
            )
            raise UserError(
                f"{self._root}: labels of training and true labels have no class in common "
                f"({' and '.join(texts)}); write classes the same way in all files"
            )
        for label, key in checked.items():
            if label not in observed | held_out:
                raise UserError(
                    f"{self._root}, {key}: {TRUE_LABEL} {names[label]!r} is a class of no other label; "
                    "leave it empty if it means unknown, else list all classes in dataset.classes"
                )

    def class_names(self) -> list[str]:
        """Return `dataset.classes`, else the files' own names, else labels, sorted, or numbers from 0."""
        return list(self._classes[0])

    @cached_property
    def _drawn(self) -> dict[str, dict[str, int]]:
        """The true labels of clean, validation and test by key; what has no files is drawn."""
        self._check_clean_source()
        sets = {name: {one.key: one.true for one in ones} for name, ones in self._labelled.items()}
        source = VALIDATION if self._has(VALIDATION) else TEST
        clean, pool = sets[CLEAN], sets[source]
        if self._is_verified:
            known = {one.key: one.true for one in self._labelled[TRAINING] if one.true != UNKNOWN}
            clean = self._draw_clean(known)
        elif not clean:
            clean = self._draw_clean(pool)
            sets[source] = pool = {key: pool[key] for key in pool if key not in clean}
        held_out = {name: sets[name] for name in (VALIDATION, TEST)}
        if not (self._has(VALIDATION) and self._has(TEST)):
            halves = halve(pool, self.settings.seed)
            for name, keys in zip((VALIDATION, TEST), halves, strict=True):
                held_out[name] = {key: pool[key] for key in sorted(keys)}
        return {CLEAN: clean, **held_out}

    def _draw_clean(self, pool: dict[str, int]) -> dict[str, int]:
        chosen = choose(pool, self._clean_fraction, self.settings.seed, CLEAN_STREAM)
        return {key: pool[key] for key in sorted(chosen)}

    def _check_clean_source(self) -> None:
        """Raise UserError unless the clean set comes from one source."""
        if self._has(CLEAN) and self._is_verified:
            raise UserError(
                f"{self._root}: files of {CLEAN} are there, and {TRUE_LABEL}s of training pictures too; "
                "expected one of them as the clean set; move the files out of the folder, or drop the others"
            )
        fraction = self.settings.clean_fraction
        if self._has(CLEAN) and fraction is not None:
            raise UserError(
                f"dataset.clean_fraction: {self._root} has files of {CLEAN}, which are the clean set; "
                f"expected null, got {fraction}; leave it out"
            )
        if not (self._has(CLEAN) or self._is_verified or fraction):
            raise UserError(
                f"{self._root}: nothing is known to be clean; expected a {TRUE_LABEL} of training pictures "
                f"that somebody checked, files {CLEAN}-*{self.endings[0]}, or a dataset.clean_fraction of "
                "the held-out pictures that serves as clean; add one of these"
            )

    def clean_source(self) -> str:
        if self._has(CLEAN):
            return f"the files of {CLEAN}"
        if self._is_verified:
            return name_share(self._clean_fraction, "the training pictures with a true label")
        return name_share(self._clean_fraction, "the held-out pictures")

    def sizes(self) -> dict[str, int]:
        drawn = {name: len(labels) for name, labels in self._drawn.items()}
        return {"noisy": len(self._labelled[TRAINING]), **drawn}

    def _rows(self) -> Iterator[Row]:
        """Yield training pictures, some of which may be clean as well, then those of the other sets."""
        drawn = dict(self._drawn)
        clean = drawn.pop(CLEAN) if self._is_verified else {}
        for key, observed, true in self._labelled[TRAINING]:
            yield Row(key, key, observed, true, noisy=True, clean=key in clean)
        for name, labels in drawn.items():
            sets = {"clean": name == CLEAN, "validation": name == VALIDATION, "test": name == TEST}
            for key, label in labels.items():
                yield Row(key, key, true=label, **sets)
