"""What every layout offers: rows of the catalogue, the files they come from, encoded pictures."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mct.data.layouts.classes import UNKNOWN
from mct.data.layouts.folders import Skipped
from mct.data.layouts.settings import DatasetSettings

BUILTIN = "builtin"
"""The measuring labels that a data set brings itself."""
LISTED = 0
"""In place of a number of threads: rows as the lists have them, before synthetic noise is made."""


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


class Layout(ABC):
    """A data set in somebody's arrangement; without files unless a layout says which there are."""

    keys: tuple[str, ...] = ()
    """Those keys of the section `dataset` that some layouts use, and this one does."""
    counts_confusion: bool = True
    """Whether observed labels of clean pictures are known, right and wrong ones alike."""
    counts_rate: bool = True
    """Whether some observed labels are known to be right or wrong; so where confusion is counted."""
    has_lists: bool = True
    """Whether lists or folders, which change, say what the pictures are."""

    def __init__(self, settings: DatasetSettings) -> None:
        self.settings = settings

    @property
    def is_synthetic(self) -> bool:
        """Whether observed labels of the noisy set are made from true ones."""
        return self.settings.synthetic_noise.kind != "none"

    def source_files(self) -> list[Path]:
        """Return the lists that the rows come from (not names that only tables show)."""
        matrix = self.settings.synthetic_noise.matrix
        return [Path(matrix)] if matrix else []

    def listed_names(self) -> list[str]:
        """Return the names of files in folders that are themselves the list, sorted."""
        return []

    def skipped(self) -> list[Skipped]:
        """Return the other files in those folders, each with the reason that it is not listed."""
        return []

    def name_files(self) -> list[Path]:
        """Return the files that class names come from, where those are not source files."""
        return []

    def listed_folders(self) -> list[Path]:
        """Return the folders that are themselves lists, with all folders below them."""
        return []

    @abstractmethod
    def class_names(self) -> list[str]:
        """Return the classes' names, in the order of their numbers."""

    @abstractmethod
    def clean_source(self) -> str:
        """Return where the clean set comes from, for the captions of tables."""

    @abstractmethod
    def sizes(self) -> dict[str, int]:
        """Return about how many pictures each set has, from counting lines or files."""

    @abstractmethod
    def rows(self, threads: int = 1) -> Iterator[Row]:
        """Yield one row per picture, each key once; `threads` read pictures where noise needs them.

        With `LISTED` threads no noise is made, and the observed label of a picture whose label it
        would make is the true one.
        """

    def pictures(self) -> Iterator[tuple[str, str]]:
        """Yield key and path of every picture, as the rows have them, in any order."""
        return ((row.key, row.path) for row in self.rows(LISTED))

    def looked_at(self) -> list[Path]:
        """Return what a change would show in of pictures looked for and of files skipped so far."""
        return []

    def missing(self, paths: list[str]) -> list[str]:
        """Return which of `paths` cannot be read; none where folders are the lists."""
        return []

    @abstractmethod
    def read(self, path: str) -> bytes:
        """Return the encoded picture at a row's path; UserError if it cannot be read."""
