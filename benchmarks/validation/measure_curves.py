r"""What the validation curve of a training costs: its share of the time from first to last step.

    python -m benchmarks.validation.measure_curves --configfile config/cifar10n_study.yaml \
        --config 'dataset={root: /data/cifar10n}' --output benchmarks/validation/curves

Trains the first run of each method of `--methods` in a folder of its own and times every prediction of
validation pictures inside, so that the share needs no second training to compare with.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from benchmarks.shared.conditions import describe_conditions
from benchmarks.start.compare_start import snakemake
from mct.results.tables import Row, write_table

HOOK = Path(__file__).parent / "hook"
CAPTION = """Measured: seconds of a training from its first step to its last (`training_seconds` of its
record), how often validation pictures were predicted in it, and how long that took on the slowest
rank. Trainings under a minute are exempt from the aim of 3 %."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--configfile", type=Path, required=True)
    parser.add_argument("--config", nargs="+", default=[], help="more of the configuration")
    parser.add_argument("--methods", nargs="+", default=["noise_only", "mct"])
    parser.add_argument("--output", type=Path, required=True, help="results, without ending")
    options = parser.parse_args()
    configuration = [str(options.configfile.absolute()), "--config", *options.config]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        train(Path(folder), options.methods, configuration, None)  # all that they need
        for method in options.methods:
            rows += measure(Path(folder), method, configuration)
    caption = " ".join(CAPTION.split())
    write_table(rows, options.output.with_suffix(".tsv"), describe_conditions(caption))


def train(folder: Path, methods: list[str], configuration: list[str], report: Path | None) -> None:
    """Train methods, or with no report only what comes before them."""
    until = (
        ["train_baseline", "calibrate_pair"]
        if report
        else ["pretrain_auxiliary", "pretrain_primary"]
    )
    only = [f"methods=[{','.join(methods)}]", "seeds=[0]", "experiment=curves"]
    variables = {"PYTHONPATH": str(HOOK), "MCT_CURVE_SECONDS": str(report)} if report else {}
    done = subprocess.run(
        [*snakemake(Path.cwd(), folder, "--until", *until), "--configfile", *configuration, *only],
        env={**os.environ, **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"no training of {methods} ended\n{done.stderr}")


def measure(folder: Path, method: str, configuration: list[str]) -> list[Row]:
    """Return the row of a method's training."""
    report = folder / f"{method}.txt"
    train(folder, [method], configuration, report)
    [path] = folder.glob(f"results/curves/models/*/{method}/seed0_*/record.json")
    record, by_rank = json.loads(path.read_text()), defaultdict[str, list[float]](list)
    for line in report.read_text().splitlines():
        process, seconds = line.split()
        by_rank[process].append(float(seconds))
    seconds, whole = max(map(sum, by_rank.values())), record["training_seconds"]
    return [{
        "method": method, "training_seconds": f"{whole:.1f}",
        "predictions": str(max(map(len, by_rank.values()))), "seconds_of_predictions": f"{seconds:.2f}",
        "share_percent": f"{100 * seconds / whole:.2f}", "kind": "measured",
    }]  # fmt: skip


if __name__ == "__main__":
    main()
