"""How many labels calibrations select, and how many of these are right, where the truth is known.

    python -m benchmarks.selection.measure_purity --results results/NAME --truth TRUE_LABELS \
        --output benchmarks/selection/NAME

reads the records of samples of every finished calibration: the last epoch, mean and sample standard
deviation over seeds. Labels in the clean set are left out. The truth is a file of lines `key label`.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.shared.conditions import describe_conditions
from mct.base.files import read_arrays, read_json
from mct.base.roles import ROLES
from mct.results.accuracy import spread
from mct.results.tables import Row, write_table

CAPTION = (
    "Share of noisy pictures that each model selected in the last epoch, and of right labels in it."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True, help="lines `key label`")
    parser.add_argument("--output", type=Path, required=True, help="results, without ending")
    options = parser.parse_args()
    truth = dict(line.split() for line in options.truth.read_text().splitlines())
    methods = sorted({path.parents[1] for path in options.results.glob("models/*/*/*/samples.h5")})
    rows = [row for folder in methods for row in measure(folder, truth)]
    write_table(rows, options.output.with_suffix(".tsv"), describe_conditions(CAPTION))
    print(options.output.with_suffix(".md").read_text())


def measure(folder: Path, truth: dict[str, str]) -> Iterator[Row]:
    """Yield a row for each model of a method."""
    runs = sorted(folder.glob("*/samples.h5"))
    found = np.array([purity(run, truth) for run in runs])
    batch = read_json(runs[0].with_name("record.json"), "global_batch")["global_batch"]
    for role in ROLES:
        selected, pure = 100 * found[:, role.place].T
        yield {
            "method": folder.name,
            "global_batch": str(batch),
            "model": role.symbol,
            "selected_percent": f"{selected.mean():.1f}",
            "pure_percent": f"{pure.mean():.1f}",
            "pure_sd": spread(pure.tolist()),
            "n": str(len(runs)),
        }


def purity(samples: Path, truth: dict[str, str]) -> NDArray[np.float64]:
    """Return the selected share and the right share of it for (Ma, Mp), shape (2, 2)."""
    keys, observed, in_clean, selected = read_arrays(
        samples, "key", "observed", "in_clean", "selected"
    )
    true = np.array([int(truth.get(key.decode(), -1)) for key in keys])
    is_known, is_right, chosen = (true >= 0) & ~in_clean, observed == true, selected[-1]
    pure = [is_right[is_known & mask].mean() for mask in chosen.T]
    return np.stack([chosen.mean(axis=0), pure], axis=1)


if __name__ == "__main__":
    main()
