"""What a data set's lists say, read once by the workflow and remembered for its jobs.

Every job of a cluster parses the workflow again; the lists of millions of pictures would take each of
them more time and memory than small ones ask for.
"""

import dataclasses
from pathlib import Path

from mct.base.errors import UserError
from mct.base.files import read_json, write_json
from mct.data.catalogue import source_digest
from mct.data.layouts.base import Layout

NAME = "lists.json"
"""Of the file, in the folder of an experiment's results."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lists:
    """The digest of all that the catalogue is made from, set sizes, class names, and who verified."""

    source: str
    sizes: dict[str, int]
    classes: list[str]
    clean_source: str

    @classmethod
    def read(cls, layout: Layout) -> "Lists":
        """Read the lists themselves; UserError if they cannot be."""
        return cls(
            source=source_digest(layout),
            sizes=layout.sizes(),
            classes=layout.class_names(),
            clean_source=layout.clean_source(),
        )

    def remember(self, folder: Path, settings: str) -> None:
        """Write them into an experiment's folder, with the settings of the data set as JSON."""
        write_json(folder / NAME, {"settings": settings, **dataclasses.asdict(self)})

    @classmethod
    def recall(cls, folder: Path, settings: str) -> "Lists | None":
        """Return what was remembered for these settings, None where that is not to be had."""
        try:
            found = read_json(folder / NAME, "settings")
            return cls(**found) if found.pop("settings") == settings else None
        except (UserError, TypeError):
            return None
