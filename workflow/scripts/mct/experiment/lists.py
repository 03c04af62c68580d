"""What a data set's lists say, checked and read once by the workflow and remembered.

Every job of a cluster parses the workflow again; the lists of millions of pictures would take each of
them more time and memory than small ones ask for. The next plan does not read them again either
unless one of them changed.
"""

import dataclasses
import gc
import hashlib
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from mct.base.errors import UserError
from mct.base.files import read_json, write_json
from mct.data.catalogue import build_catalogue, check_made_sets, class_counts, source_digest
from mct.data.intake import Listed, list_pictures, listing_digest
from mct.data.layouts.base import LISTED, Layout
from mct.data.verdict import Stamps, complete_stamps, is_current, take_stamps

NAME = "lists.json"
"""Of the file, in the folder of an experiment's results."""
MOST = 8
"""Data sets, or settings of one, that are remembered for the next plan; older ones are forgotten."""


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep Python from looking for cycles: rows have none, and a million take a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lists:
    """What lists say that the catalogue is made from, and when they said it.

    `pictures` is the number of pictures, `listing` the digest of their keys and paths.
    `class_counts` has the pictures of each class by set, empty where there are no lists. `stamps`
    are the times of all that was read, `files_checked` says whether every listed picture was there.
    """

    source: str
    pictures: int
    listing: str
    sizes: dict[str, int]
    classes: list[str]
    clean_source: str
    class_counts: dict[str, list[int]]
    stamps: Stamps
    files_checked: bool

    @classmethod
    @_no_collection()
    def read(cls, layout: Layout, *, check_files: bool = True) -> "Lists":
        """Read and check the lists themselves; UserError where no catalogue can be made of them.

        Everything is checked but what synthetic noise needs pictures for. `check_files` says whether
        every listed picture must be there.
        """
        started = time.time_ns()
        stamps = take_stamps(layout)  # before reading, so that a change meanwhile is noticed
        catalogue, counts = None, {}
        if layout.has_lists:
            catalogue = build_catalogue(layout, LISTED, check_files=check_files)
            counts = class_counts(catalogue, len(layout.class_names()))
            sizes = {name: int(members.sum()) for name, members in catalogue.members.items()}
            pictures = sorted(map(Listed, catalogue.keys, catalogue.paths))
        else:
            check_made_sets(layout)
            sizes, pictures = layout.sizes(), list_pictures(layout)
        return cls(
            source=source_digest(layout, catalogue),
            pictures=len(pictures),
            listing=listing_digest(pictures),
            sizes=sizes,
            classes=layout.class_names(),
            clean_source=layout.clean_source(),
            class_counts=counts,
            stamps=complete_stamps(stamps, layout, started),
            files_checked=check_files,
        )

    def holds(self, *, check_files: bool) -> bool:
        """Return whether the lists still say this, and every picture was there if that is asked."""
        return (self.files_checked or not check_files) and is_current(self.stamps)

    def remember(self, folder: Path, settings: str, known_by: str) -> None:
        """Write them into a folder, with the settings of the data set as JSON.

        `known_by` is the digest of the code that found what they say.
        """
        found = {"settings": settings, "known_by": known_by, **dataclasses.asdict(self)}
        write_json(folder / NAME, found)

    @classmethod
    def recall(cls, folder: Path, settings: str, known_by: str | None = None) -> "Lists | None":
        """Return what was remembered for these settings, None where that is not to be had.

        With `known_by`, only what that code has found.
        """
        try:
            found = read_json(folder / NAME, "settings", "known_by")
            is_ours = found.pop("settings") == settings
            code = found.pop("known_by")
            return msgspec.convert(found, cls) if is_ours and known_by in (None, code) else None
        except (UserError, msgspec.ValidationError):
            return None


class Memory:
    """What the lists of a data set say, in an experiment's folder and in one for all plans.

    A plan takes only what the same code has found, a job whatever its workflow has found.
    """

    def __init__(self, results: Path, folder: Path | None, settings: str, code: str) -> None:
        """Without a `folder` no plan leaves anything.

        `settings` are those of the data set as JSON, `code` is the digest of what reads its lists.
        """
        self._results, self.folder = results, folder
        self._settings, self._code = settings, code

    @property
    def file(self) -> Path:
        """The file that remembers, for jobs, what the lists say."""
        return self._results / NAME

    def recall(self) -> Lists | None:
        """Return what the workflow of this job has found, if it can be read."""
        return Lists.recall(self._results, self._settings)

    def recall_current(self, *, check_files: bool) -> Lists | None:
        """Return what an earlier plan has found and the lists still say, None if nothing is known.

        Where files are to be checked, they must have been.
        """
        for folder in (self._place(), self._results):
            known = Lists.recall(folder, self._settings, self._code) if folder else None
            if known and known.holds(check_files=check_files):
                return known
        return None

    def keep(self, lists: Lists) -> Lists:
        """Return lists, and remember them for the next plan if a change of them would be noticed."""
        place = self._place()
        if place and lists.stamps:
            with suppress(OSError):
                lists.remember(place, self._settings, self._code)
                _forget_oldest(place.parent)
        return lists

    def hand_on(self, lists: Lists) -> None:
        """Remember lists for jobs."""
        lists.remember(self._results, self._settings, self._code)

    def _place(self) -> Path | None:
        if self.folder is None:
            return None
        asked = self._settings + self._code
        return self.folder / hashlib.sha256(asked.encode()).hexdigest()[:16]


def _forget_oldest(folder: Path) -> None:
    files = sorted(folder.glob(f"*/{NAME}"), key=lambda file: file.stat().st_mtime_ns)
    for file in files[:-MOST]:
        shutil.rmtree(file.parent, ignore_errors=True)
