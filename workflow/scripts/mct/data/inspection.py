"""Inspection of every listed picture, between catalogue and shards.

A part of the catalogue gives one `Finding` a row, in its order; all findings together tell which
pictures stay out (`quarantine`), which are the same (`duplicates`) and what the set looks like.
"""

import csv
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mct.base.errors import BrokenPictureError, UserError
from mct.base.files import replacing, table_rows
from mct.base.names import is_utf8, key_of
from mct.base.partition import block
from mct.base.threads import map_in_threads
from mct.data.catalogue import SETS, read_rows
from mct.data.layouts.base import Layout, Row
from mct.data.pictures import inspect


class Finding(NamedTuple):
    """What was found at a row of the catalogue; `kind` and `reason` are empty for a good picture.

    `digest` is the file's SHA-256, `width` and `height` are pixels, `conversions` are joined by
    commas; see `pictures.Form`.
    """

    key: str
    digest: str = ""
    bytes: int = 0
    format: str = ""
    mode: str = ""
    width: int = 0
    height: int = 0
    conversions: str = ""
    misnamed: bool = False
    kind: str = ""
    reason: str = ""


def inspect_part(
    catalogue: Path, layout: Layout, part: int, parts: int, most_pixels: int, threads: int
) -> Iterator[Finding]:
    """Yield the findings of one block of a catalogue's rows; memory does not grow with them."""
    start, stop = block(count_rows(catalogue), parts, part)
    rows = (row for number, row in enumerate(read_rows(catalogue)) if start <= number < stop)
    return map_in_threads(lambda row: find(row, layout, most_pixels), rows, threads)


def count_rows(catalogue: Path) -> int:
    """Return the number of rows of a catalogue."""
    return sum(1 for _ in read_rows(catalogue))


def find(row: Row, layout: Layout, most_pixels: int) -> Finding:
    """Return what is found at a row; a file that cannot be read is a finding too."""
    if not is_utf8(row.path):
        reason = f"{row.path}: the name is not UTF-8; rename the file and what lists it"
        return Finding(row.key, kind="name_not_utf8", reason=reason)
    try:
        data = layout.read(row.path)
    except UserError as error:
        kind = error.kind if isinstance(error, BrokenPictureError) else "unreadable"
        return Finding(row.key, kind=kind, reason=key_of(str(error)))
    digest = hashlib.sha256(data).hexdigest()
    try:
        form = inspect(data, row.path, most_pixels)
    except BrokenPictureError as error:
        return Finding(row.key, digest, len(data), kind=error.kind, reason=str(error))
    return Finding(
        row.key, digest, len(data), form.format, form.mode, form.width, form.height,
        ",".join(form.conversions), form.misnamed,
    )  # fmt: skip


def write_findings(findings: Iterable[Finding], path: Path) -> None:
    """Write findings as a TSV file."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(Finding._fields)
        writer.writerows(
            (*finding[:8], int(finding.misnamed), *finding[9:]) for finding in findings
        )


def read_findings(paths: Sequence[Path]) -> Iterator[Finding]:
    """Yield the findings of all parts, in the order of the catalogue; UserError if one is damaged."""
    for path in paths:
        with table_rows(path, "an inspection") as rows:
            yield from map(_parse, rows)


def _parse(row: list[str]) -> Finding:
    key, digest, size, name, mode, width, height, conversions, misnamed, kind, reason = row
    return Finding(
        key, digest, int(size), name, mode, int(width), int(height), conversions,
        misnamed == "1", kind, reason,
    )  # fmt: skip


def inspected_rows(catalogue: Path, parts: Sequence[Path]) -> Iterator[tuple[Row, Finding]]:
    """Yield each row of a catalogue with its finding.

    Raises
    ------
    UserError
        The parts are those of another catalogue.
    """
    findings = read_findings(parts)
    for row in read_rows(catalogue):
        finding = next(findings, None)
        if finding is None or finding.key != row.key:
            raise UserError(
                f"{parts[0].parent}: not the inspection of {catalogue}: expected {row.key}, got "
                f"{finding.key if finding else 'its end'}; delete the folder and rerun"
            )
        yield row, finding


def sets_of(row: Row) -> list[str]:
    """Return the names of the sets that a picture is in."""
    return [name for name in SETS if getattr(row, name)]
