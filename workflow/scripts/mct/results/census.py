"""What the pictures of each set are: counts of classes, sizes, formats, and what was left out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mct.data.catalogue import SETS
from mct.data.inspection import Finding
from mct.data.layouts.base import Row
from mct.data.quarantine import Copy, LeftOut, inspected_rows

Census = dict[str, dict[str, Any]]
SIDE_EDGES = 2.0 ** np.arange(3, 14.5, 0.5)
"""Edges of the histogram of short sides, in pixels."""
QUANTILES = (5, 50, 95)
MOST_EXAMPLES = 3
"""Number of skipped files that a table names for each reason."""


class SetCensus:
    """Counts over the pictures of one set."""

    def __init__(self, name: str, classes: int) -> None:
        self._name, self._bytes = name, 0
        self.listed = 0
        self._classes = np.zeros(classes, np.int64)
        self._counts: Counter[str] = Counter()
        self._sizes: list[tuple[int, int]] = []

    def add(self, row: Row, finding: Finding, kind: str) -> None:
        """Count a picture; `kind` says why it is left out, if it is."""
        self.listed += 1
        if kind:
            self._counts[f"left_out:{kind}"] += 1
            return
        label = row.observed if self._name == "noisy" else row.true
        self._classes[label] += 1
        self._bytes += finding.bytes
        self._counts[f"format:{finding.format}"] += 1
        for step in filter(None, finding.conversions.split(",")):
            self._counts[f"converted:{step}"] += 1
        self._counts["misnamed"] += finding.misnamed
        self._sizes.append((finding.width, finding.height))

    def result(self) -> dict[str, Any]:
        """Return the counts as plain data."""
        sizes = np.array(self._sizes or [(0, 0)], np.int32)
        short = sizes.min(axis=1)
        sides = {"width": sizes[:, 0], "height": sizes[:, 1], "short_side": short}
        return {
            "listed": self.listed,
            "kept": len(self._sizes),
            "bytes": self._bytes,
            "counts": {name: count for name, count in sorted(self._counts.items()) if count},
            "classes": self._classes.tolist(),
            "quantiles": {
                name: np.percentile(values, QUANTILES).tolist() for name, values in sides.items()
            },
            "short_sides": np.histogram(short[short > 0], SIDE_EDGES)[0].tolist(),
        }


def take_census(
    catalogue: Path, findings: Mapping[str, Finding], found: Sequence[LeftOut], classes: int
) -> Census:
    """Return the census of each set, from its inspected pictures."""
    kinds = {line.key: line.kind for line in found}
    sets = {name: SetCensus(name, classes) for name in SETS}
    for row, finding in inspected_rows(catalogue, findings):
        for name, census in sets.items():
            if getattr(row, name):
                census.add(row, finding, kinds.get(row.key, ""))
    return {name: census.result() for name, census in sets.items()}


def count_copies(copies: Sequence[Copy], found: Sequence[LeftOut]) -> dict[str, dict[str, int]]:
    """Return, for each set, pictures kept that have copies there, and those whose labels differ."""
    excluded = {line.key for line in found}
    kept = [copy for copy in copies if copy.key not in excluded]
    return {name: _copies_in(kept, name) for name in SETS}


def _copies_in(copies: Sequence[Copy], name: str) -> dict[str, int]:
    labels: dict[str, list[int]] = {}
    for copy in copies:
        if name in copy.sets.split():
            label = copy.observed if name == "noisy" else copy.true
            labels.setdefault(copy.digest, []).append(label)
    groups = [group for group in labels.values() if len(group) > 1]
    return {
        "copies": sum(map(len, groups)),
        "copies_labelled_differently": sum(len(group) for group in groups if len(set(group)) > 1),
    }


def picture_rows(census: Census) -> list[dict[str, str]]:
    """Return the table of pictures: one row per quantity, one column per set."""
    counts = sorted({name for part in census.values() for name in part["counts"]})
    columns = {name: _quantities(part, counts) for name, part in census.items()}
    rows = []
    for quantity, unit in next(iter(columns.values())):
        values = {name: column[quantity, unit] for name, column in columns.items()}
        rows.append({"quantity": quantity, "unit": unit, **values})
    return rows


def _quantities(part: dict[str, Any], counts: Sequence[str]) -> dict[tuple[str, str], str]:
    """Return the text of every quantity of a set, by name and unit."""
    values = {"listed": part["listed"]}
    values |= {name.replace(":", ": "): part["counts"].get(name, 0) for name in counts}
    values |= {name: part[name] for name in ("kept", "copies", "copies_labelled_differently")}
    table = {(name, "pictures"): str(value) for name, value in values.items()}
    for side in ("width", "height", "short_side"):
        for quantile, value in zip(QUANTILES, part["quantiles"][side], strict=True):
            table[f"{side}: {quantile} % quantile", "pixels"] = str(round(value))
    return {**table, ("files", "MB"): f"{part['bytes'] / 1e6:.2f}"}


def class_rows(census: Census, names: Sequence[str]) -> list[dict[str, str]]:
    """Return the table of classes: pictures of each, by observed labels in noisy, else true ones."""
    rows = []
    for label, name in enumerate(names):
        counts = {own: str(part["classes"][label]) for own, part in census.items()}
        rows.append({"class": str(label), "name": name, **counts})
    return rows


def sum_up(rows: int, folders: Mapping[str, Any], found: Sequence[LeftOut]) -> dict[str, Any]:
    """Return how the numbers add up: files in folders are listed or skipped, rows used or left out.

    `rows` is the number of rows of the catalogue, `folders` counts the files of listed folders.
    """
    return {
        "listed": rows,
        "left_out": len(found),
        "folders": folders["listed"],
        "skipped": {
            reason: {"files": part["files"], "examples": part["paths"][:MOST_EXAMPLES]}
            for reason, part in folders["skipped"].items()
        },
    }


def describe_sum(total: Mapping[str, Any]) -> str:
    """Return the sum as Markdown: a sentence, and a table of what was skipped."""
    skipped, listed, left_out = total["skipped"], total["listed"], total["left_out"]
    text = (
        f"Of {listed} listed pictures {listed - left_out} are used and {left_out} left out "
        "(`left_out` above)."
    )
    if not total["folders"] and not skipped:
        return text
    files = sum(part["files"] for part in skipped.values())
    heading = (
        f"The data set's folders had {total['folders'] + files} files when the catalogue was made: "
        f"{total['folders']} are listed, {files} skipped."
    )
    lines = [
        f"| {reason} | {part['files']} | {', '.join(map(_as_code, part['examples']))} |"
        for reason, part in skipped.items()
    ]
    table = ["", "| skipped | files | such as |", "| --- | --- | --- |", *lines] if lines else []
    return "\n".join([heading, text, *table])


def _as_code(path: str) -> str:
    """Return a path as it is shown in a cell of Markdown."""
    return f"`{path.replace('`', chr(39)).replace('|', chr(92) + '|')}`"
