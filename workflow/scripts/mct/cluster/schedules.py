"""The schedules of a plan, as lines of a terminal."""

import sys

from mct.cluster.overview import aligned
from mct.experiment.experiment import Experiment
from mct.results.schedules import BLOCKS, schedule_rows


def schedule_lines(experiment: Experiment) -> list[str]:
    """Return a table of the schedules that are worth showing, after an empty line; or nothing."""
    rows = schedule_rows(experiment.shown_plans(), with_line=_shows_blocks())
    if not rows:
        return []
    return ["", *aligned([list(rows[0]), *(list(row.values()) for row in rows)])]


def _shows_blocks() -> bool:
    """Return whether the terminal has the characters that a course is drawn with."""
    try:
        BLOCKS.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
