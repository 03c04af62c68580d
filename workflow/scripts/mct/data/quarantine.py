"""Which inspected pictures stay out of the shards: unusable ones, and copies of held-out ones."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mct.base.errors import UserError, preview
from mct.base.files import replacing, table_rows
from mct.data.catalogue import SETS
from mct.data.inspection import Finding, inspected_rows, read_findings, sets_of
from mct.data.layouts.base import Row

HELD_OUT = ("test", "validation")
"""Sets whose pictures no other set may hold a copy of; an earlier one wins."""

COPY_OF = "copy_of_"
"""How the kinds of pictures begin that stay out though nothing is wrong with them."""


class LeftOut(NamedTuple):
    """A picture that stays out of every shard, and why."""

    key: str
    path: str
    sets: str
    kind: str
    reason: str


class Copy(NamedTuple):
    """A picture whose file equals another's byte for byte; `digest` names the group."""

    digest: str
    key: str
    sets: str
    observed: int
    true: int


def find_copies(catalogue: Path, parts: Sequence[Path]) -> list[Copy]:
    """Return all good pictures that have copies, group by group in the order of the catalogue."""
    digests = np.array([f.digest for f in read_findings(parts) if not f.kind], "S64")
    values, counts = np.unique(digests, return_counts=True)
    shared = {value.decode() for value in values[counts > 1]}
    groups: dict[str, list[Copy]] = defaultdict(list)
    for row, finding in inspected_rows(catalogue, parts):
        if finding.digest in shared and not finding.kind:
            copy = Copy(finding.digest, row.key, " ".join(sets_of(row)), row.observed, row.true)
            groups[finding.digest].append(copy)
    return [copy for group in groups.values() for copy in group]


def held_out_copies(copies: Iterable[Copy]) -> dict[str, tuple[str, str]]:
    """Return the key of every copy of a held-out picture in another set, with kind and reason.

    A picture of the test set leaves validation and training, one of the validation set leaves
    training; the held-out picture itself stays.
    """
    groups: dict[str, list[Copy]] = defaultdict(list)
    for copy in copies:
        groups[copy.digest].append(copy)
    found = {}
    for group in groups.values():
        name = next((name for name in HELD_OUT if _members(group, name)), None)
        if name is not None:
            first = _members(group, name)[0]
            reason = f"the same file as the {name} picture {first.key}"
            others = (copy for copy in group if name not in copy.sets.split())
            found.update({copy.key: (f"{COPY_OF}{name}", reason) for copy in others})
    return found


def _members(group: Sequence[Copy], name: str) -> list[Copy]:
    return [copy for copy in group if name in copy.sets.split()]


def left_out(
    catalogue: Path, parts: Sequence[Path], copies: Mapping[str, tuple[str, str]]
) -> list[LeftOut]:
    """Return the pictures that stay out, in the order of the catalogue."""
    reasons = (
        (row, _reason(row, finding, copies)) for row, finding in inspected_rows(catalogue, parts)
    )
    return [
        LeftOut(row.key, row.path, " ".join(sets_of(row)), *reason)
        for row, reason in reasons
        if reason
    ]


def _reason(
    row: Row, finding: Finding, copies: Mapping[str, tuple[str, str]]
) -> tuple[str, str] | None:
    return (finding.kind, finding.reason) if finding.kind else copies.get(row.key)


def check_share(found: Sequence[LeftOut], listed: Mapping[str, int], most: float) -> None:
    """Raise UserError if more than the share `most` of a set's pictures cannot be used, or all.

    Copies do not count towards the share: they are no sign of a broken disk or a wrong folder.
    """
    for name in SETS:
        broken = [
            line.reason
            for line in found
            if name in line.sets.split() and not line.kind.startswith(COPY_OF)
        ]
        if len(broken) > most * listed[name]:
            raise UserError(
                f"dataset: {len(broken)} of {listed[name]} {name} pictures cannot be used, more than "
                f"dataset.quarantine_share = {most:g}: {preview(broken)}; repair them and rerun with "
                "--forcerun inspect_pictures, or raise the share"
            )
        gone = [line.reason for line in found if name in line.sets.split()]
        if len(gone) >= listed[name]:
            raise UserError(
                f"dataset: none of {listed[name]} {name} pictures is left: {preview(gone)}; expected at "
                "least one that can be used and is in no held-out set"
            )


def write_lines(lines: Sequence[NamedTuple], header: Sequence[str], path: Path) -> None:
    """Write named tuples as a TSV file."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(header)
        writer.writerows(lines)


def read_keys(path: Path) -> frozenset[str]:
    """Return the keys of a list of pictures that stay out; UserError if it is damaged."""
    with table_rows(path, "a list of pictures") as rows:
        return frozenset(row[0] for row in rows)
