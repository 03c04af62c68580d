"""What every layout offers, and the reading of label files that several share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from mct.errors import UserError

UNKNOWN = -1
"""The label of a picture whose label is not known."""


class Row(NamedTuple):
    """One picture of the catalogue; labels are class numbers or `UNKNOWN`."""

    key: str
    path: str
    observed: int = UNKNOWN
    true: int = UNKNOWN
    noisy: bool = False
    clean: bool = False
    validation: bool = False
    test: bool = False


class Layout(Protocol):
    """A data set in somebody's arrangement."""

    def source_files(self) -> list[Path]:
        """Return the lists that the rows come from (not the class names)."""

    def class_names(self) -> list[str]:
        """Return the classes' names, in the order of their numbers."""

    def sizes(self) -> dict[str, int]:
        """Return about how many pictures each set has, from counting lines."""

    def rows(self) -> Iterator[Row]:
        """Yield one row per picture, each key once."""

    def missing(self, paths: list[str]) -> list[str]:
        """Return those of `paths` that cannot be read."""

    def read(self, path: str) -> bytes:
        """Return the encoded picture at a row's path."""


def existing_root(root: str | None, layout: str) -> Path:
    """Return the folder of a data set or refuse it."""
    if root is None:
        raise UserError(f"dataset.root: layout {layout} needs the folder of the data set, got null")
    if not Path(root).is_dir():
        raise UserError(f"dataset.root: no such folder: {root}")
    return Path(root)


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file without blank ones; UserError if it cannot be read."""
    try:
        return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a list: {error}") from error


def read_labels(path: Path, classes: int, spell: Callable[[str], str] = str) -> dict[str, int]:
    """Return the labels of a file of lines `key label`; `spell` gives a key its one spelling.

    Raises
    ------
    UserError
        A line of another form, a label outside the classes, a key with two labels.
    """
    labels: dict[str, int] = {}
    for number, line in enumerate(read_lines(path), start=1):
        key, _, text = line.rpartition(" ")
        if not key or not text.isdecimal():
            raise UserError(f"{path}, entry {number}: expected `key label`, got {line!r}")
        key, label = spell(key), int(text)
        if label >= classes:
            raise UserError(f"{path}: key {key}: label {label} is outside 0 to {classes - 1}")
        if labels.setdefault(key, label) != label:
            raise UserError(f"{path}: key {key} has two labels, {labels[key]} and {label}")
    return labels


def missing_files(root: Path, paths: list[str]) -> list[str]:
    """Return the paths under `root` that are no files; lists each folder once, not each file."""
    folders: dict[Path, set[str]] = {}
    missing = []
    for path in paths:
        folder, _, name = path.rpartition("/")
        parent = root / folder
        if parent not in folders:
            folders[parent] = {p.name for p in parent.iterdir()} if parent.is_dir() else set()
        if name not in folders[parent]:
            missing.append(path)
    return missing


def read_file(root: Path, path: str) -> bytes:
    """Return the bytes of a file below `root`; UserError if it cannot be read."""
    try:
        return (root / path).read_bytes()
    except OSError as error:
        raise UserError(f"{root / path}: cannot be read: {error.strerror}") from error
