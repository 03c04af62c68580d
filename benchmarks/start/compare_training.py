r"""How long whole trainings of two checkouts take, in turn.

    python -m benchmarks.start.compare_training --before ../before --after . --rounds 7 \
        --configfile config/cifar10n_study.yaml --config 'dataset={root: /data/cifar10n}' \
        --output benchmarks/start/training

Each method's first run in the configuration is trained again and again; its record's
`training_seconds` count from the first step to the last, without start and reading of settings.
Everything that it needs is made in a first round, which is not counted. Both checkouts use this
Python.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.shared.conditions import commit, describe_conditions
from benchmarks.shared.figures import middle, ratios, span
from benchmarks.start.compare_start import options_parser, snakemake, take_turns
from mct.results.tables import Row, write_table

CAPTION = """Measured: seconds of trainings of {before} (before) and {after} (after), medians of
{rounds} rounds in turn after one that is not counted; ratios are after by before of the same round,
with the lowest and the highest."""


def main() -> None:
    options = parse_options()
    checkouts = (options.before.absolute(), options.after.absolute())
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        rows = [compare(method, checkouts, Path(folder), options) for method in options.methods]
    before, after = map(commit, checkouts)
    caption = CAPTION.format(before=before, after=after, rounds=options.rounds)
    measured = " ".join(caption.split())
    write_table(rows, options.output.with_suffix(".tsv"), describe_conditions(measured))


def parse_options() -> argparse.Namespace:
    """Return the command line's options."""
    parser = options_parser(__doc__, rounds=7)
    parser.add_argument("--configfile", type=Path, required=True)
    parser.add_argument("--config", nargs="+", default=[], help="more of the configuration")
    parser.add_argument("--methods", nargs="+", default=["noise_only", "mct"])
    return parser.parse_args()


def compare(
    method: str, checkouts: tuple[Path, Path], scratch: Path, options: argparse.Namespace
) -> Row:
    """Return the row of a method, checkouts in turn."""
    configuration = [str(options.configfile.absolute()), "--config", *options.config]
    train = partial(time_training, method, configuration)
    before, after = take_turns(method, train, checkouts, scratch, options.rounds)
    by_before = ratios(after, before)
    return {
        "method": method, "before": middle(before), "before_range": span(before),
        "after": middle(after), "after_range": span(after),
        "ratio": middle(by_before, 3), "ratio_range": span(by_before, 3), "kind": "measured",
    }  # fmt: skip


def time_training(method: str, configuration: list[str], checkout: Path, folder: Path) -> float:
    """Return the seconds that the steps of one training take, in a folder of runs."""
    for made in folder.glob(f"results/*/*/*/{method}"):  # its models and checkpoints
        shutil.rmtree(made)
    only = [f"methods=[{method}]", "seeds=[0]", "experiment=compared"]
    until = "calibrate_pair" if method.startswith("mct") else "train_baseline"
    command = snakemake(checkout, folder, "--retries", "0", "--until", until)
    done = subprocess.run(
        [*command, "--configfile", *configuration, *only],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    records = [*folder.glob(f"results/compared/models/*/{method}/*/record.json")]
    if done.returncode or not records:
        sys.exit(f"{checkout}: no training of {method} ended\n{done.stderr}")
    return float(json.loads(records[0].read_text())["training_seconds"])


if __name__ == "__main__":
    main()
