"""Which inspected pictures stay out of all sets: unusable ones, and copies of held-out ones."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mct.base.errors import UserError, preview
from mct.base.files import table_rows
from mct.data.catalogue import SETS, read_rows
from mct.data.inspection import Finding, read_findings
from mct.data.layouts.base import Row

HELD_OUT = ("test", "validation")
"""Sets whose pictures no other set may hold a copy of; an earlier one wins."""

COPY_OF = "copy_of_"
"""How the kinds of pictures begin that stay out though nothing is wrong with them."""


class LeftOut(NamedTuple):
    """A picture that stays out of every set, and why."""

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


def findings_by_key(parts: Sequence[Path]) -> dict[str, Finding]:
    """Return the findings of all parts; where a key is inspected twice, the later part's."""
    return {finding.key: finding for finding in read_findings(parts)}


def inspected_rows(
    catalogue: Path, findings: Mapping[str, Finding]
) -> Iterator[tuple[Row, Finding]]:
    """Yield each row of a catalogue with its finding; UserError if a picture was not inspected."""
    for row in read_rows(catalogue):
        if row.key not in findings:
            raise UserError(
                f"{catalogue}: picture {row.key} was not inspected; rerun with --forcerun "
                "inspect_pictures"
            )
        yield row, findings[row.key]


def sets_of(row: Row) -> list[str]:
    """Return the names of the sets that a picture is in."""
    return [name for name in SETS if getattr(row, name)]


def find_copies(catalogue: Path, findings: Mapping[str, Finding]) -> list[Copy]:
    """Return all good pictures that have copies, group by group in the order of the catalogue."""
    good = (found for _, found in inspected_rows(catalogue, findings) if not found.kind)
    counts = Counter(finding.digest for finding in good)
    groups: dict[str, list[Copy]] = defaultdict(list)
    for row, finding in inspected_rows(catalogue, findings):
        if counts[finding.digest] > 1 and not finding.kind:
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
    catalogue: Path, findings: Mapping[str, Finding], copies: Mapping[str, tuple[str, str]]
) -> list[LeftOut]:
    """Return the pictures that stay out, in the order of the catalogue."""
    lines = []
    for row, finding in inspected_rows(catalogue, findings):
        reason = (finding.kind, finding.reason) if finding.kind else copies.get(row.key)
        if reason:
            lines.append(LeftOut(row.key, row.path, " ".join(sets_of(row)), *reason))
    return lines


def check_share(found: Sequence[LeftOut], listed: Mapping[str, int], most: float) -> None:
    """Raise UserError if more than the share `most` of a set's pictures cannot be used, or all.

    Copies do not count towards the share: they are no sign of a broken disk or a wrong folder.
    """
    for name in SETS:
        own = [line for line in found if name in line.sets.split()]
        broken = [line.reason for line in own if not line.kind.startswith(COPY_OF)]
        if len(broken) > most * listed[name]:
            raise UserError(
                f"dataset: {len(broken)} of {listed[name]} {name} pictures cannot be used, more than "
                f"dataset.quarantine_share = {most:g}: {preview(broken)}; repair them and rerun with "
                "--forcerun inspect_pictures, or raise the share"
            )
        if len(own) >= listed[name]:
            raise UserError(
                f"dataset: none of {listed[name]} {name} pictures is left: "
                f"{preview([line.reason for line in own])}; expected at least one that can be used and "
                "is in no held-out set"
            )


def read_kinds(path: Path) -> dict[str, str]:
    """Return the kind of each picture that stays out, by key; UserError if the list is damaged."""
    with table_rows(path, "a list of pictures", LeftOut._fields) as rows:
        return {key: kind for key, _, _, kind, _ in rows}
