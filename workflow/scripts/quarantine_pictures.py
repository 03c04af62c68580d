"""Decide which inspected pictures stay out of all sets, and count what is there."""

from pathlib import Path

from mct.base.files import read_json, write_json, write_rows
from mct.data.catalogue import read_rows
from mct.data.layouts.registry import open_layout
from mct.data.layouts.settings import DatasetSettings
from mct.data.quarantine import (
    Copy,
    LeftOut,
    check_share,
    find_copies,
    findings_by_key,
    held_out_copies,
    left_out,
)
from mct.results.census import count_copies, sum_up, take_census
from mct.stage import entry


def main() -> None:
    arguments = entry.options(
        __doc__, dataset=str, catalogue=Path, skipped=Path, inspection=list, most_quarantined=float,
        quarantine=Path, copies=Path, census=Path,
    )  # fmt: skip
    catalogue, findings = arguments.catalogue, findings_by_key(arguments.inspection)
    copies = find_copies(catalogue, findings)
    found = left_out(catalogue, findings, held_out_copies(copies))
    layout = open_layout(entry.read_settings(DatasetSettings, arguments.dataset))
    census = take_census(catalogue, findings, found, len(layout.class_names()))
    listed = {name: part["listed"] for name, part in census.items()}
    check_share(found, listed, arguments.most_quarantined)
    write_rows(arguments.quarantine, LeftOut._fields, found)
    write_rows(arguments.copies, Copy._fields, copies)
    counts = count_copies(copies, found)
    sets = {name: {**part, **counts[name]} for name, part in census.items()}
    rows = sum(1 for _ in read_rows(catalogue))
    total = sum_up(rows, read_json(arguments.skipped, "listed", "skipped"), found)
    write_json(arguments.census, {**sets, "total": total})


if __name__ == "__main__":
    entry.run(main)
