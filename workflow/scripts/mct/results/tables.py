"""Tables of results, as TSV and Markdown.

Everything that differs between equal runs (time, host) is kept out of a table and lies in its
sidecar, so that tables compare equal.
"""

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from mct.base.files import write_rows, write_text

MARKDOWN_MARKS = re.compile(r"[\\`*|$<\[]|~(?=~)|&(?=#?\w+;)|(?<!\w)_|_(?!\w)")
"""What ends a cell or begins code, emphasis, a formula, a tag, a link or a named character."""
Row = dict[str, str]


def name_clean_set(caption: str, source: str) -> str:
    """Return a caption that says where the clean set comes from."""
    return f"{caption} Clean set: {source}."


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a TSV file by the names in its header."""
    return list(csv.DictReader(path.read_text("utf-8").split("\n"), delimiter="\t"))


def write_table(rows: Sequence[Row], path: Path, caption: str) -> None:
    """Write rows as TSV to `path` and as Markdown with a caption beside it."""
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
