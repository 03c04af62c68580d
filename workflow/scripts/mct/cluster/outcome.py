"""What a run that went well gave: the accuracy in five columns, where things lie, what to type next."""

from pathlib import Path

from mct.cluster.overview import aligned
from mct.results.summary import result_rows
from mct.results.tables import read_rows

ACCURACY = "tables/accuracy.tsv"
HEADER = ("method", "model", "accuracy %", "minus MCT (95 %)", "samples")


def outcome(results: Path, began: float) -> list[str]:
    """Return the lines under a run that began at `began`, in seconds since the epoch.

    Nothing where the run did not make the table of accuracy.
    """
    path = results / ACCURACY
    if not path.is_file() or path.stat().st_mtime < began:
        return []
    rows = [[row[name] for name in HEADER] for row in result_rows(read_rows(path))]
    return ["", *aligned([HEADER, *rows]), "", *places(results)]


def places(results: Path) -> list[str]:
    """Return where tables, figures and models lie, and what can be done with them."""
    return [
        f"tables: {results}/tables/, page: {results}/summary.html, models: {results}/models/",
        f"next: mct predict {results} PICTURES, or the target `suspects`: labels that are probably wrong",
    ]
