"""What every layout offers, and what those that consist of files share."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from mct.base.errors import UserError, preview
from mct.base.names import is_utf8, key_of
from mct.base.texts import read_lines, refuse_foreign
from mct.data.layouts.classes import UNKNOWN, Classes
from mct.data.layouts.folders import JUDGED, TEXTS, Skipped
from mct.data.layouts.settings import DatasetSettings
from mct.data.layouts.storage import Storage

BUILTIN = "builtin"
"""The measuring labels that a data set brings itself."""
LISTED = 0
"""In place of a number of threads: rows as the lists have them, before synthetic noise is made."""
DRIVE = re.compile("[A-Za-z]:/")


class Row(NamedTuple):
    """One picture of the catalogue; labels are class numbers or `UNKNOWN`.

    `right` is somebody's verdict on the observed label: 1 (right), 0 (wrong) or `UNKNOWN`.
    """

    key: str
    path: str
    observed: int = UNKNOWN
    true: int = UNKNOWN
    noisy: bool = False
    clean: bool = False
    validation: bool = False
    test: bool = False
    right: int = UNKNOWN


class Layout(Protocol):
    """A data set in somebody's arrangement."""

    keys: tuple[str, ...]
    """Those keys of the section `dataset` that some layouts use, and this one does."""
    counts_confusion: bool
    """Whether observed labels of clean pictures are known, right and wrong ones alike."""
    counts_rate: bool
    """Whether some observed labels are known to be right or wrong; so where confusion is counted."""
    has_lists: bool
    """Whether lists or folders, which change, say what the pictures are."""
    settings: DatasetSettings
    """The settings that the layout was opened with."""

    def source_files(self) -> list[Path]:
        """Return the lists that the rows come from (not names that only tables show)."""

    def listed_names(self) -> list[str]:
        """Return the names of files in folders that are themselves the list, sorted."""

    def skipped(self) -> list[Skipped]:
        """Return the other files in those folders, each with the reason that it is not listed."""

    def name_files(self) -> list[Path]:
        """Return the files that class names come from, where those are not source files."""

    def listed_folders(self) -> list[Path]:
        """Return the folders that are themselves lists, with all folders below them."""

    def class_names(self) -> list[str]:
        """Return the classes' names, in the order of their numbers."""

    def clean_source(self) -> str:
        """Return where the clean set comes from, for the captions of tables."""

    def sizes(self) -> dict[str, int]:
        """Return about how many pictures each set has, from counting lines."""

    def rows(self, threads: int = 1) -> Iterator[Row]:
        """Yield one row per picture, each key once; `threads` read pictures where noise needs them.

        With `LISTED` threads no noise is made, and the observed label of a picture whose label it
        would make is the true one.
        """

    def pictures(self) -> Iterator[tuple[str, str]]:
        """Yield key and path of every picture, as the rows have them, in any order."""

    def looked_at(self) -> list[Path]:
        """Return what a change would show in of pictures looked for and of files skipped so far."""

    def missing(self, paths: list[str]) -> list[str]:
        """Return those of `paths` that cannot be read."""

    def read(self, path: str) -> bytes:
        """Return the encoded picture at a row's path."""


class StoredLayout:
    """What layouts of files share: the root, reading from it, and files that settings name."""

    keys: tuple[str, ...] = ()
    counts_confusion = counts_rate = has_lists = True

    def __init__(self, settings: DatasetSettings, **others: Path) -> None:
        self.settings = self._settings = settings
        self._root = existing_folder(settings.root, settings.layout)
        archives = "archives" in self.keys and settings.archives
        self._storage = Storage(self._root, archives, **others)

    def _lists(self) -> list[Path]:
        return []

    def source_files(self) -> list[Path]:
        """Return the lists that the rows come from, and the files that settings name."""
        settings = self._settings
        given = [] if settings.measuring_labels == BUILTIN else [settings.measuring_labels]
        given.append(settings.synthetic_noise.matrix)
        classes = settings.classes if "classes" in self.keys else None
        given.append(classes if isinstance(classes, str) else None)
        return self._lists() + [Path(file) for file in given if file]

    def listed_names(self) -> list[str]:
        """Return no names: the lists are files."""
        return []

    def skipped(self) -> list[Skipped]:
        """Return nothing: no folder is a list."""
        return []

    def name_files(self) -> list[Path]:
        """Return no files: the lists name the classes."""
        return []

    def listed_folders(self) -> list[Path]:
        """Return no folders: the lists are files."""
        return []

    def clean_source(self) -> str:
        """Return that the data set brings its clean set."""
        return "the data set's own verified pictures"

    def looked_at(self) -> list[Path]:
        """Return folders and archives of the pictures, and files that were skipped for their content."""
        judged = [one.path for one in self.skipped() if one.reason in JUDGED]
        opened = [path for path in judged if not path.lower().endswith(TEXTS)]
        return [*self._storage.looked_at(), *map(self._storage.file_of, opened)]

    def rows(self, threads: int = 1) -> Iterator[Row]:
        """Yield one row per picture; see `Layout`."""
        raise NotImplementedError

    def pictures(self) -> Iterator[tuple[str, str]]:
        """Yield key and path of every picture."""
        return ((row.key, row.path) for row in self.rows(LISTED))

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
        """Return a picture's file."""
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
            f"dataset.{key}: layout {layout} needs the folder of the data set, got null"
        )
    if not Path(folder).is_dir():
        raise UserError(f"dataset.{key}: no such folder: {folder}")
    return Path(folder)


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

    A label is the number of a class or, after a tab, its name.

    Raises
    ------
    UserError
        A line of another form, a label outside the classes, a key with two labels, an unknown label
        unless it `may_be_unknown`: then its line is left out.
    """
    labels: dict[str, int] = {}
    classes = Classes(names)
    for number, line in enumerate(read_lines(path, foreign=True), start=1):
        key, text = split_line(line)
        refuse_foreign(text, f"{path}, entry {number}")
        if not key:
            raise UserError(f"{path}, entry {number}: expected `key label`, got {line!r}")
        key = spell(key)
        try:
            label = classes.find(text)
        except UserError as error:
            raise UserError(f"{path}: key {key}: {error}") from error
        if label == UNKNOWN and not may_be_unknown:
            raise UserError(
                f"{path}, entry {number}: expected `key label`, got {line!r}: {text!r} is a marker for an "
                "unknown label"
            )
        if label != UNKNOWN and labels.setdefault(key, label) != label:
            raise UserError(f"{path}: key {key} has two labels, {labels[key]} and {label}")
    return labels


def split_line(line: str) -> tuple[str, str]:
    """Return key and label of a line: what is before and after its last tab, or else its last space."""
    key, _, label = line.rpartition("\t" if "\t" in line else " ")
    return key.rstrip(), label.lstrip()
