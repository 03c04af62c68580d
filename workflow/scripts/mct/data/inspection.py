"""Inspection of every listed picture, before it is stored.

A part of an intake gives one `Finding` a picture, in its order; all findings together tell which
pictures stay out (`quarantine`), which are the same (`duplicates`) and what the set looks like. What
labels say of a picture is not asked here.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from mct.base.errors import BrokenPictureError, UserError
from mct.base.files import table_rows, write_rows
from mct.base.names import is_utf8, key_of
from mct.base.partition import block
from mct.base.threads import map_in_threads
from mct.data.intake import Listed, read_listing
from mct.data.layouts.base import Layout
from mct.data.pictures import inspect


class Finding(NamedTuple):
    """What was found at a listed picture; `kind` and `reason` are empty for a good picture.

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
    listing: Path, layout: Layout, part: int, parts: int, most_pixels: int, threads: int
) -> Iterator[Finding]:
    """Yield the findings of one block of an intake's list; memory does not grow with them."""
    start, stop = block(sum(1 for _ in read_listing(listing)), parts, part)
    rows = islice(read_listing(listing), start, stop)
    return map_in_threads(lambda row: find(row, layout, most_pixels), rows, threads)


def find(row: Listed, layout: Layout, most_pixels: int) -> Finding:
    """Return what is found at a listed picture; a file that cannot be read is a finding too."""
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
    rows = ((*finding[:8], int(finding.misnamed), *finding[9:]) for finding in findings)
    write_rows(path, Finding._fields, rows)


def read_findings(paths: Sequence[Path]) -> Iterator[Finding]:
    """Yield the findings of all parts, in their order; UserError if one is damaged."""
    for path in paths:
        with table_rows(path, "an inspection", Finding._fields) as rows:
            yield from map(_parse, rows)


def _parse(row: list[str]) -> Finding:
    key, digest, size, name, mode, width, height, conversions, misnamed, kind, reason = row
    return Finding(
        key, digest, int(size), name, mode, int(width), int(height), conversions,
        misnamed == "1", kind, reason,
    )  # fmt: skip
