r"""How many pictures a second `workflow/tools/make_pictures.py` makes, by one worker and by two.

python -m benchmarks.making.measure_making --folder /tmp/making --output benchmarks/making/making

Whole runs of the program in turn, its start and the lists included; the folder is removed after each.
Processor seconds say what a picture costs where other work takes part of the cores.
"""

import argparse
import shutil
import sys
from pathlib import Path

from benchmarks.shared.conditions import ROOT, describe_conditions
from benchmarks.shared.figures import middle, span
from benchmarks.shared.processes import Spent, run_measured
from mct.results.tables import write_table

HELD_OUT = 1000
"""Pictures outside of the noisy set."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--folder", type=Path, required=True, help="where pictures are made")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    runs: dict[int, list[Spent]] = {workers: [] for workers in options.workers}
    for _ in range(options.rounds):
        for workers, found in runs.items():
            found.append(make(options.folder, options.pictures, workers))
    rows = [row_of(workers, found, options.pictures) for workers, found in runs.items()]
    measured = (
        f"{options.pictures:,} pictures, medians of {options.rounds} rounds, lowest to highest."
    )
    write_table(rows, options.output.with_suffix(".tsv"), describe_conditions(measured))


def make(folder: Path, pictures: int, workers: int) -> Spent:
    """Return what it takes to make so many pictures."""
    numbers = {
        "noisy": pictures - HELD_OUT,
        "both": 0,
        "clean": HELD_OUT // 2,
        "validation": HELD_OUT // 4,
        "test": HELD_OUT // 4,
        "workers": workers,
    }
    options = [text for name, value in numbers.items() for text in (f"--{name}", value)]
    program = ROOT / "workflow/tools/make_pictures.py"
    spent = run_measured([sys.executable, program, "--output", folder, *options])
    shutil.rmtree(folder)
    return spent


def row_of(workers: int, runs: list[Spent], pictures: int) -> dict[str, str]:
    rates = [pictures / run.seconds for run in runs]
    each = [1e3 * run.processor_seconds / pictures for run in runs]
    return {
        "workers": str(workers),
        "pictures_per_second": middle(rates, 0),
        "lowest_highest": span(rates, 0),
        "processor_milliseconds_per_picture": middle(each),
        "processor_lowest_highest": span(each),
        "peak_MB": f"{max(run.peak_megabytes for run in runs):.0f}",
        "kind": "measured",
    }


if __name__ == "__main__":
    main()
