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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from mct.base.errors import UserError
from mct.base.files import read_json, write_json
from mct.data import intake
from mct.data.catalogue import build_catalogue, check_made_sets, class_counts, source_digest
from mct.data.intake import Intakes, Listed, Piece
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
    """What the lists of a catalogue say.

    `pictures` is the number of pictures, `listing` the digest of their keys and paths.
    `class_counts` has the pictures of each class by set, empty where there are no lists. `stamps`
    are the times of all that was read; `files_checked` says whether every listed picture was there.
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
            sizes, pictures = layout.sizes(), intake.list_pictures(layout)
        return cls(
            source=source_digest(layout, catalogue),
            pictures=len(pictures),
            listing=intake.listing_digest(pictures),
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


class Memory:
    """What the lists of a data set say, in an experiment's folder and in one for all plans.

    A plan takes only what the same code has found, a job whatever its workflow has found.
    """

    def __init__(self, results: Path, folder: Path | None, settings: str, code: str) -> None:
        """Without a `folder` no plan leaves anything.

        `settings` are those of the data set as JSON, `code` is the digest of what reads its lists.
        """
        self.folder, self._results = folder, results
        self._settings, self._code = settings, code
        digest = hashlib.sha256((settings + code).encode()).hexdigest()[:16]
        self._place = folder / digest if folder else None

    @property
    def file(self) -> Path:
        """The file that remembers, for jobs, what the lists say."""
        return self._results / NAME

    def recall(self) -> Lists | None:
        """Return what the workflow of this job has found, if it can be read."""
        return self._read(self.file, None)

    def recall_current(self, *, check_files: bool) -> Lists | None:
        """Return what an earlier plan has found and the lists still say, None if nothing is known.

        Where files are to be checked, they must have been.
        """
        for folder in filter(None, (self._place, self._results)):
            known = self._read(folder / NAME, self._code)
            if known and known.holds(check_files=check_files):
                return known
        return None

    def keep(self, lists: Lists) -> Lists:
        """Return lists, and remember them for the next plan if a change of them would be noticed."""
        if self._place and lists.stamps:
            with suppress(OSError):
                self._write(self._place / NAME, lists)
                _forget_oldest(self._place.parent)
        return lists

    def hand_on(self, lists: Lists) -> None:
        """Remember lists for jobs."""
        self._write(self.file, lists)

    def _write(self, file: Path, lists: Lists) -> None:
        """Write lists with the settings of the data set, and the digest of the code that read them."""
        known = {"settings": self._settings, "known_by": self._code}
        write_json(file, {**known, **dataclasses.asdict(lists)})

    def _read(self, file: Path, code: str | None) -> Lists | None:
        """Return lists with these settings, read by this code or by any; None if there are none."""
        try:
            found = read_json(file, "settings", "known_by")
            settings, known_by = found.pop("settings"), found.pop("known_by")
            is_ours = settings == self._settings and code in (None, known_by)
            return msgspec.convert(found, Lists) if is_ours else None
        except (UserError, msgspec.ValidationError):
            return None


def _forget_oldest(folder: Path) -> None:
    files = sorted(folder.glob(f"*/{NAME}"), key=lambda file: file.stat().st_mtime_ns)
    for file in files[:-MOST]:
        shutil.rmtree(file.parent, ignore_errors=True)


class Storage:
    """The intakes of all listed pictures, in a folder of an experiment's results.

    The layout is opened only where lists changed since the folder's intakes were written. A job takes
    what its workflow has written.
    """

    def __init__(
        self, folder: Path, lists: Lists, open_layout: Callable[[], Layout], *, in_job: bool
    ) -> None:
        self._folder, self._open_layout = folder, open_layout
        known = Intakes.recall(folder)
        if known is None:
            self._intakes = Intakes.first(lists.pictures, lists.listing)
        elif in_job or known.listed == lists.listing:
            self._intakes = known
        else:
            self._intakes = intake.divide(folder, intake.list_pictures(open_layout())).intakes

    def pieces(self, count: int) -> dict[str, Piece]:
        """Return the pieces of all intakes by name, `count` of the first."""
        return intake.cut(self._intakes, count)

    def listing(self, piece: Piece) -> str:
        """Return the list of the pictures of a piece's intake."""
        return str(intake.list_file(self._folder, piece.intake.name))

    def write_down(self) -> None:
        """Write the intakes into their folder, unless it has them."""
        if Intakes.recall(self._folder) != self._intakes:
            intake.divide(self._folder, intake.list_pictures(self._open_layout())).write(
                self._folder
            )
