"""Results by run, and tables of them as TSV and Markdown.

What differs between equal runs (time, host) is in a sidecar, so that equal results give equal tables.
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mct.base.errors import UserError
from mct.base.files import read_json, write_rows, write_text
from mct.base.roles import Role

MARKDOWN_MARKS = re.compile(r"[\\`*|$<\[]|~(?=~)|&(?=#?\w+;)|(?<!\w)_|_(?!\w)")
"""What ends a cell or begins code, emphasis, a formula, a tag, a link or a named character."""
Row = dict[str, str]
RUN_PATTERN = re.compile(r"seed(\d+)_ranks(\d+)")


class Run(NamedTuple):
    """What a result's path says: .../<method>/seed<seed>_ranks<ranks>/<role>.*"""

    method: str
    seed: int
    ranks: int
    role: str


Results = Mapping[Run, Mapping[str, Any]]


def parse_run(path: Path) -> Run:
    """Return the run that a result belongs to."""
    match = RUN_PATTERN.fullmatch(path.parent.name)
    if match is None:
        raise UserError(f"{path}: expected a folder seed<number>_ranks<number>")
    return Run(path.parent.parent.name, int(match[1]), int(match[2]), path.stem)


def read_results(paths: Iterable[Path]) -> dict[Run, dict[str, Any]]:
    """Return the JSON files of several runs by run."""
    return {parse_run(path): read_json(path) for path in paths}


def deployed_accuracies(
    evaluations: Results, methods: Iterable[str]
) -> dict[tuple[str, int], list[float]]:
    """Return top-1 in % of deployed models, one value per seed, by method (in that order) and ranks."""
    runs = sorted(run for run in evaluations if run.role == Role.PRIMARY)
    kinds = [(method, ranks) for method in methods for ranks in sorted({run.ranks for run in runs})]
    return {
        kind: [100 * evaluations[run]["top1"] for run in runs if (run.method, run.ranks) == kind]
        for kind in kinds
    }


def name_clean_set(caption: str, source: str) -> str:
    """Return a caption that says where the clean set comes from."""
    return f"{caption} Clean set: {source}."


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a TSV file by the names in its header."""
    return list(csv.DictReader(path.read_text("utf-8").split("\n"), delimiter="\t"))


def write_table(rows: Sequence[Row], path: Path, caption: str) -> None:
    """Write rows as TSV to `path` and as Markdown with a caption next to it."""
    header = list(rows[0])
    write_rows(path, header, [[row[name] for name in header] for row in rows])
    shown = [name for name in header if any(row[name] for row in rows)]
    cells = [[row[name] for name in shown] for row in rows]
    markdown = [_markdown_line(line) for line in (shown, ["---"] * len(shown), *cells)]
    write_text(path.with_suffix(".md"), "\n".join([*markdown, "", caption]) + "\n")


def _markdown_line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(_markdown_text, cells))} |"


def _markdown_text(cell: str) -> str:
    """Return text with a backslash before what Markdown would not show as it is."""
    return MARKDOWN_MARKS.sub(r"\\\g<0>", cell)
