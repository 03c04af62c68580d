"""The schedules of a plan, as lines of a terminal."""

import sys
from collections.abc import Mapping

from mct.cluster.overview import aligned
from mct.experiment.experiment import Experiment
from mct.results.schedules import BLOCKS, schedule_rows
from mct.results.tables import Row


def schedule_lines(experiment: Experiment) -> list[str]:
    """Return a table of the schedules that are worth showing, after an empty line; or nothing."""
    rows = schedule_rows(experiment.shown_plans(), with_line=_shows_blocks())
    return ["", *aligned([list(rows[0]), *map(_cells, rows)])] if rows else []


def _cells(row: Mapping[str, str] | Row) -> list[str]:
    return list(row.values())


def _shows_blocks() -> bool:
    """Return whether the terminal has the characters that a course is drawn with."""
    try:
        BLOCKS.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
