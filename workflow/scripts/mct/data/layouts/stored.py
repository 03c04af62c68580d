"""Layouts that consist of files: pictures below a root, lists, and labels to measure with.

A layout yields each true label that its files hold. Labels of training pictures that are not clean
serve to measure, or to make synthetic noise from, and are never trained on; unless they are asked
for they do not even reach the catalogue.
"""

import re
import unicodedata
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from mct.base.errors import UserError, preview
from mct.base.names import is_utf8, key_of, name_of
from mct.base.texts import read_lines, refuse_foreign
from mct.data.layouts.base import BUILTIN, UNKNOWN, Layout, Row
from mct.data.layouts.classes import Classes
from mct.data.layouts.folders import JUDGED, TEXTS
from mct.data.layouts.settings import DatasetSettings
from mct.data.layouts.storage import Storage
from mct.data.layouts.synthetic import corrupt_rows

DRIVE = re.compile("[A-Za-z]:/")


def spell_path(path: str) -> str:
    r"""Return the key of a path in a list, in its one spelling: with slashes, without `.`, in NFC.

    `a.jpg`, `./a.jpg` and `.\a.jpg` are one file; `C:\a.jpg` is as absolute as `/C:/a.jpg`.
    """
    is_plain = path.isascii() and path.isprintable()
    if is_plain and "\\" not in path and "./" not in path and "//" not in path:
        return path
    text = unicodedata.normalize("NFC", path.replace("\\", "/"))
    root = "/" if text.startswith("/") or DRIVE.match(text) else ""
    return key_of(root + "/".join(part for part in text.split("/") if part not in ("", ".")))


class StoredLayout(Layout):
    """What layouts of files share: the root, reading from it, and files that settings name.

    Of `others`, further folders, pictures have paths that begin with `<name>:`.
    """

    brings_truth = True
    """Whether `measuring_labels` may be `builtin`: true labels of training pictures come along."""
    own_clean_fraction = 0.1
    """The share that is drawn for the clean set where the configuration gives none."""
    _spell: Callable[[str], str] = staticmethod(spell_path)
    """Gives a key of the measuring file its one spelling."""

    def __init__(self, settings: DatasetSettings, **others: Path) -> None:
        super().__init__(settings)
        self._root = existing_folder(settings.root, settings.layout)
        archives = "archives" in self.keys and settings.archives
        self._storage = Storage(self._root, archives, **others)
        if settings.measuring_labels == BUILTIN and not self.brings_truth:
            raise UserError(
                f"dataset.measuring_labels: layout {settings.layout} brings no true labels of its "
                "training pictures; expected a file or null, got builtin; name a file, or leave it out"
            )

    @property
    def _clean_fraction(self) -> float:
        return self.settings.clean_fraction or self.own_clean_fraction

    @property
    def _measuring_file(self) -> str | None:
        path = self.settings.measuring_labels
        return None if path == BUILTIN else path

    def _lists(self) -> list[Path]:
        return []

    def source_files(self) -> list[Path]:
        """Return the lists that the rows come from, and the files that settings name."""
        classes = self.settings.classes if "classes" in self.keys else None
        given = (self._measuring_file, classes if isinstance(classes, str) else None)
        return [*self._lists(), *super().source_files(), *(Path(file) for file in given if file)]

    def clean_source(self) -> str:
        return "the data set's own verified pictures"

    def looked_at(self) -> list[Path]:
        """Return folders and archives of the pictures, and files that were skipped for their content."""
        judged = [one.path for one in self.skipped() if one.reason in JUDGED]
        opened = [path for path in judged if not path.lower().endswith(TEXTS)]
        return [*self._storage.looked_at(), *map(self._storage.file_of, opened)]

    @abstractmethod
    def _rows(self) -> Iterator[Row]:
        """Yield one row per picture, with every true label that the files hold."""

    def rows(self, threads: int = 1) -> Iterator[Row]:
        """Yield one row per picture as the catalogue has it; see `Layout`.

        True labels of the measuring file fill in where there are none; synthetic noise replaces
        observed labels of the noisy set; then true labels that may not be known are hidden.
        UserError for a measuring label against a true label, measuring labels of other pictures,
        synthetic noise without true labels.
        """
        settings, names, path = self.settings, self.class_names(), self._measuring_file
        measuring: dict[str, int] = {}
        if path is not None:
            measuring = read_labels(Path(path), names, self._spell, may_be_unknown=True)
        rows = self._rows()
        filled = (self._measured(row, measuring) for row in rows) if measuring else rows
        measured = 0
        for row in corrupt_rows(filled, settings, len(names), self.read, threads):
            is_measured = bool(measuring) and self._spell(name_of(row.key)) in measuring
            measured += is_measured
            is_known = row.clean or row.validation or row.test or is_measured
            is_shown = is_known or row.true == UNKNOWN or settings.measuring_labels == BUILTIN
            yield row if is_shown else row._replace(true=UNKNOWN)
        if measuring and not measured:
            raise UserError(
                f"{path}: none of its {len(measuring)} keys is in the data set: "
                f"{preview(list(measuring))}; expected keys as in the catalogue; write them so"
            )

    def _measured(self, row: Row, measuring: Mapping[str, int]) -> Row:
        """Return a row with its measuring label, if it has one, for the true label."""
        label = measuring.get(self._spell(name_of(row.key)), row.true)
        if row.true not in (UNKNOWN, label):
            raise UserError(
                f"{self._measuring_file}: key {row.key} has two true labels, {row.true} and {label} "
                "here; correct the line"
            )
        return row._replace(true=label)

    def missing(self, paths: list[str]) -> list[str]:
        """Return the listed pictures that are not there, in whatever spelling of their path."""
        missing = [path for path in self._storage.missing(paths) if self._find(path) is None]
        foreign = [path for path in missing if not is_utf8(path)]
        if foreign:
            raise UserError(
                f"dataset: {len(foreign)} of {len(paths)} listed pictures are not there under names "
                f"that are not UTF-8: {preview(foreign)}; save the lists as UTF-8, or correct them"
            )
        return missing

    def _find(self, path: str) -> str | None:
        """Return another spelling of a path that is the one of a file, if there is one."""
        others = other_spellings(path)
        found = set(others) - set(self._storage.missing(others))
        return min(found, default=None)

    def read(self, path: str) -> bytes:
        try:
            return self._storage.read(path)
        except UserError:
            other = self._find(path)
            if other is None:
                raise
            return self._storage.read(other)


def existing_folder(folder: str | None, layout: str, key: str = "root") -> Path:
    """Return the folder that a key of a data set names or refuse it."""
    if folder is None:
        raise UserError(
            f"dataset.{key}: layout {layout} needs the folder of the data set, got null; name it"
        )
    if not Path(folder).is_dir():
        raise UserError(f"dataset.{key}: no such folder: {folder}; correct the path")
    return Path(folder)


def other_spellings(path: str) -> list[str]:
    """Return what a file may be called that a list has by the path `spell_path` gives."""
    others = (unicodedata.normalize("NFD", path), path.replace("/", "\\"))
    return [other for other in others if other != path]


def read_labels(
    path: Path,
    names: Sequence[str],
    spell: Callable[[str], str] = spell_path,
    *,
    may_be_unknown: bool = False,
) -> dict[str, int]:
    """Return the labels of a file of lines `key label`; `spell` gives a key its one spelling.

    A label is the number of a class or, after a tab, its name. UserError for a line of another
    form, a label outside the classes, a key with two labels, and an unknown label unless it
    `may_be_unknown`: then its line is left out.
    """
    labels: dict[str, int] = {}
    classes = Classes(names)
    for number, line in enumerate(read_lines(path, foreign=True), start=1):
        key, text = split_line(line)
        refuse_foreign(text, f"{path}, entry {number}")
        if not key:
            raise UserError(
                f"{path}, entry {number}: expected `key label`, got {line!r}; correct the line"
            )
        key = spell(key)
        try:
            label = classes.find(text)
        except UserError as error:
            raise UserError(f"{path}: key {key}: {error}") from error
        if label == UNKNOWN and not may_be_unknown:
            raise UserError(
                f"{path}, entry {number}: expected `key label`, got {line!r}: {text!r} is a marker for an "
                "unknown label; give the label, or take the line out"
            )
        if label != UNKNOWN and labels.setdefault(key, label) != label:
            raise UserError(
                f"{path}: key {key} has two labels, {labels[key]} and {label}; keep one line"
            )
    return labels


def split_line(line: str) -> tuple[str, str]:
    """Return key and label of a line: what is before and after its last tab, or else its last space."""
    key, _, label = line.rpartition("\t" if "\t" in line else " ")
    return key.rstrip(), label.lstrip()
