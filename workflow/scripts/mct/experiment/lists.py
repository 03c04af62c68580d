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
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from mct.base.errors import UserError
from mct.base.files import read_json, write_json
from mct.data import intake
from mct.data.catalogue import (
    Catalogue,
    build_catalogue,
    check_made_sets,
    class_counts,
    source_digest,
)
from mct.data.intake import Intakes, Listed, Piece
from mct.data.layouts.base import LISTED, Layout
from mct.data.reviews import Decision, apply_reviews, decisions_digest, read_reviews
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
    `source` is the digest of the lists themselves, `reviews` that of what was reviewed, empty where
    nothing was; the other fields include the reviews.
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
    reviews: str = ""

    @classmethod
    @_no_collection()
    def read(
        cls,
        layout: Layout,
        *,
        reviews: Sequence[str] = (),
        check_files: bool = True,
        catalogue: Catalogue | None = None,
    ) -> "Lists":
        """Read and check the lists themselves; UserError where no catalogue can be made of them.

        Everything is checked but what synthetic noise needs pictures for, the files of `reviews` too.
        `check_files` says whether every listed picture must be there. A `catalogue` is what was just read,
        and checked like that.
        """
        started = time.time_ns()
        # Before reading, so that a change meanwhile is noticed.
        stamps = {**take_stamps(layout), **_stamps_of(reviews)}
        counts = {}
        if layout.has_lists:
            catalogue = catalogue or build_catalogue(layout, LISTED, check_files=check_files)
            pictures = sorted(map(Listed, catalogue.keys, catalogue.paths))
        else:
            catalogue = None
            check_made_sets(layout)
            pictures = intake.list_pictures(layout)
        decided, reviewed = _review(layout, catalogue, reviews)
        if layout.has_lists and reviewed:
            counts = class_counts(reviewed, len(layout.class_names()))
        return cls(
            source=source_digest(layout, catalogue),
            pictures=len(pictures),
            listing=intake.listing_digest(pictures),
            sizes=_sizes(reviewed) if reviewed else layout.sizes(),
            classes=layout.class_names(),
            clean_source=_clean_source(layout, decided),
            class_counts=counts,
            stamps=complete_stamps(stamps, layout, started),
            files_checked=check_files,
            reviews=decisions_digest(decided),
        )

    def holds(self, *, check_files: bool) -> bool:
        """Return whether the lists still say this, and every picture was there if that is asked."""
        return (self.files_checked or not check_files) and is_current(self.stamps)


def _review(
    layout: Layout, catalogue: Catalogue | None, reviews: Sequence[str]
) -> tuple[dict[str, Decision], Catalogue | None]:
    """Return what was decided, and the catalogue with it; the given one where there are no reviews."""
    if not reviews:
        return {}, catalogue
    names = layout.class_names()
    decided = read_reviews(reviews, names)
    listed = catalogue or build_catalogue(layout, LISTED, check_files=False)
    return decided, apply_reviews(listed, decided, names)


def _sizes(catalogue: Catalogue) -> dict[str, int]:
    return {name: int(members.sum()) for name, members in catalogue.members.items()}


def _clean_source(layout: Layout, decided: Collection[str]) -> str:
    """Return where the clean set comes from, for the captions of tables."""
    reviewed = f"; {len(decided)} reviewed noisy pictures as well" if decided else ""
    return layout.clean_source() + reviewed


def _stamps_of(files: Iterable[str]) -> Stamps:
    """Return the stamps of files; of one that is not there none, since reading it says so."""
    found = [(file, Path(file).stat()) for file in files if Path(file).is_file()]
    return {file: [status.st_mtime_ns, status.st_size] for file, status in found}


class Memory:
    """What the lists of a data set say, in an experiment's folder and in one for all plans.

    A plan takes only what the same code has found, a job whatever its workflow has found.
    """

    def __init__(
        self,
        results: Path,
        folder: Path | None,
        settings: str,
        code: str,
        reviews: Sequence[str] = (),
    ) -> None:
        """Without a `folder` no plan leaves anything.

        `settings` are those of the data set as JSON, `code` is the digest of what reads its lists,
        `reviews` are files that are read with them.
        """
        self.folder, self._results = folder, results
        self._settings, self._code, self._files = settings, code, list(reviews)
        asked = "\n".join([settings + code, *reviews])
        digest = hashlib.sha256(asked.encode()).hexdigest()[:16]
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
        known = {"settings": self._settings, "known_by": self._code, "files": self._files}
        write_json(file, {**known, **dataclasses.asdict(lists)})

    def _read(self, file: Path, code: str | None) -> Lists | None:
        """Return lists with these settings and reviews, read by this code or by any; None without."""
        try:
            found = read_json(file, "settings", "known_by")
            settings, known_by = found.pop("settings"), found.pop("known_by")
            is_ours = settings == self._settings and code in (None, known_by)
            is_ours &= found.pop("files", []) == self._files
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
