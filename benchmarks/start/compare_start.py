r"""How long a stage takes to its first step, and a dry run to its end, in two checkouts in turn.

python -m benchmarks.start.compare_start --before ../before --after . --rounds 9 \
    --output benchmarks/start/start

A stage is the pretraining of Mp on the quick start's digits, one rank: from the start of its process
to its first backward pass, where it is stopped. The dry run is the quick start's in an empty folder.
Both checkouts use this Python. A first round, which also makes the shards, is not counted.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from benchmarks.shared.conditions import commit, describe_conditions
from benchmarks.shared.figures import middle, ratios, span
from benchmarks.shared.processes import run_measured
from mct.results.tables import Row, write_table

T = TypeVar("T")
HOOK = Path(__file__).parent / "hook"
SMALL = ["methods=[mct]", "seeds=[0]", "ranks=[2]"]
Measure = Callable[[Path, Path], tuple[float, float]]


def main() -> None:
    options = options_parser(__doc__, rounds=9).parse_args()
    checkouts = (options.before.absolute(), options.after.absolute())
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        rows = [
            row
            for what, measure in MEASURES.items()
            for row in compare(what, measure, checkouts, Path(folder), options.rounds)
        ]
    before, after = map(commit, checkouts)
    measured = (
        f"Seconds of {before} (before) and {after} (after), medians of {options.rounds} rounds in "
        "turn after one that is not counted; ratios are after by before of the same round, with the "
        "lowest and the highest."
    )
    write_table(rows, options.output.with_suffix(".tsv"), describe_conditions(measured))


def options_parser(description: str | None, rounds: int) -> argparse.ArgumentParser:
    """Return the options of a comparison of two checkouts."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", type=Path, required=True, help="a checkout")
    parser.add_argument("--after", type=Path, required=True, help="another checkout")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--scratch", type=Path, help="folder for the runs; the system's otherwise")
    parser.add_argument("--output", type=Path, required=True, help="results, without ending")
    return parser


def compare(
    what: str, measure: Measure, checkouts: tuple[Path, Path], folder: Path, rounds: int
) -> list[Row]:
    """Return a row for wall time and one for processor time, checkouts in turn."""
    found = take_turns(what, measure, checkouts, folder, rounds)
    walls, busy = ([[seconds[kind] for seconds in runs] for runs in found] for kind in (0, 1))
    return [make_row(what, "wall", *walls), make_row(what, "user + sys", *busy)]


def take_turns(
    what: str,
    measure: Callable[[Path, Path], T],
    checkouts: tuple[Path, Path],
    folder: Path,
    rounds: int,
) -> tuple[list[T], list[T]]:
    """Return what was measured of each checkout, in a folder of its own, after a round that is left out."""
    folders = [folder / name for name in ("before", "after")]
    found: tuple[list[T], list[T]] = ([], [])
    for number in range(rounds + 1):
        # Who is first changes from round to round: a drift of the machine favours nobody.
        for side in (0, 1) if number % 2 else (1, 0):
            folders[side].mkdir(exist_ok=True)
            found[side].append(measure(checkouts[side], folders[side]))
            print(what, checkouts[side], found[side][-1], flush=True)
    return found[0][1:], found[1][1:]


def make_row(what: str, kind: str, before: list[float], after: list[float]) -> Row:
    """Return medians, and the ratio round by round."""
    by_before = ratios(after, before)
    return {
        "what": what, "seconds": kind, "before": middle(before), "before_range": span(before),
        "after": middle(after), "after_range": span(after),
        "ratio": middle(by_before, 3), "ratio_range": span(by_before, 3), "kind": "measured",
    }  # fmt: skip


def snakemake(checkout: Path, folder: Path, *arguments: str) -> list[str]:
    """Return the command that runs a checkout's workflow in another folder."""
    places = ["--snakefile", str(checkout / "Snakefile"), "--directory", str(folder)]
    return [sys.executable, "-m", "snakemake", "--cores", "2", *places, *arguments]


def start_stage(checkout: Path, folder: Path) -> tuple[float, float]:
    """Return wall and processor seconds from a training's start to its first step."""
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    variables = {"PYTHONPATH": str(HOOK), "MCT_START_REPORT": str(report)}
    command = snakemake(checkout, folder, "--retries", "0", "--until", "pretrain_primary")
    job = subprocess.run(
        [*command, "--config", *SMALL],
        env={**os.environ, **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if not report.exists():  # the training failed before its first step
        raise SystemExit(f"{checkout}: no training began\n{job.stderr}")
    wall, busy = json.loads(report.read_text())
    return wall, busy


def plan(checkout: Path, folder: Path) -> tuple[float, float]:
    """Return wall and processor seconds of a dry run of the quick start, nothing of it made yet."""
    empty = folder / "empty"
    empty.mkdir(exist_ok=True)
    spent = run_measured(snakemake(checkout, empty, "--dry-run"), folder=checkout)
    return spent.seconds, spent.processor_seconds


MEASURES: dict[str, Measure] = {"start of a stage": start_stage, "dry run": plan}


if __name__ == "__main__":
    main()
