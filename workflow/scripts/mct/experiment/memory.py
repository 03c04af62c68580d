"""Where it is remembered what lists say: for the jobs of a workflow, and for its next plan."""

import hashlib
import shutil
from contextlib import suppress
from pathlib import Path

from mct.experiment.lists import NAME, Lists

MOST = 8
"""Data sets, or settings of one, that are remembered for the next plan; older ones are forgotten."""


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
