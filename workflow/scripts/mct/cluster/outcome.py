"""What a run that went well gave: the accuracy in five columns, where things lie, what to type next."""

import csv
from collections.abc import Mapping
from pathlib import Path

from mct.cluster.overview import aligned

ACCURACY = "tables/accuracy.tsv"
HEADER = ("method", "model", "accuracy %", "minus MCT (95 %)", "samples")


def outcome(results: Path, began: float) -> list[str]:
    """Return the lines under a run that began at `began`, in seconds since the epoch.

    Nothing where the run did not make the table of accuracy.
    """
    path = results / ACCURACY
    if not path.is_file() or path.stat().st_mtime < began:
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = [_cells(row) for row in csv.DictReader(file, delimiter="\t") if row["top1_percent"]]
    return ["", *aligned([HEADER, *rows]), "", *places(results)]


def _cells(row: Mapping[str, str]) -> tuple[str, ...]:
    deviation = f" ± {row['top1_sd']}" if row["top1_sd"] else ""
    interval = (
        f" ({row['minus_mct_low']} to {row['minus_mct_high']})" if row["minus_mct_low"] else ""
    )
    samples = f"{int(row['samples_seen_by_model']):,}"
    accuracy = f"{row['top1_percent']}{deviation}"
    return row["method"], row["model"], accuracy, f"{row['minus_mct']}{interval}", samples


def places(results: Path) -> list[str]:
    """Return where tables, figures and models lie, and what can be done with them."""
    return [
        f"tables: {results}/tables/, page: {results}/summary.html, models: {results}/models/",
        f"next: mct predict {results} PICTURES, or the target `suspects`: labels that are probably wrong",
    ]
