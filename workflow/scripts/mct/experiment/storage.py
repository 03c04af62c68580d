"""Where an experiment's pictures are inspected and stored: its intakes, and the pieces of these."""

from collections.abc import Callable
from pathlib import Path

from mct.data.intake import Intakes, Piece, cut, divide, list_file, list_pictures
from mct.data.layouts.base import Layout
from mct.experiment.lists import Lists


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
            self._intakes = divide(folder, list_pictures(open_layout())).intakes

    def pieces(self, count: int) -> dict[str, Piece]:
        """Return the pieces of all intakes by name, `count` of the first."""
        return cut(self._intakes, count)

    def listing(self, piece: Piece) -> str:
        """Return the list of the pictures of a piece's intake."""
        return str(list_file(self._folder, piece.intake.name))

    def write_down(self) -> None:
        """Write the intakes into their folder, unless it has them."""
        if Intakes.recall(self._folder) != self._intakes:
            divide(self._folder, list_pictures(self._open_layout())).write(self._folder)
