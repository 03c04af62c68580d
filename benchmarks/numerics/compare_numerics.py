r"""Accuracy of settings that change the arithmetic, beside that of a reference, seed by seed.

    small="'seeds=[10,11,12,13,14]' 'ranks=[2]' 'methods=[noise_only, mct]'"
    eval snakemake all --cores 2 --config experiment=bfloat16 $small
    eval snakemake all --cores 2 --config experiment=float32 $small "'model={precision: float32}'"
    eval snakemake all --cores 2 --config experiment=wire $small "'optimizer={gradient_wire: bfloat16}'"
    python -m benchmarks.numerics.compare_numerics --experiments bfloat16 float32 wire \
        --output benchmarks/numerics/numerics

reads the evaluations of experiments that differ in one setting; the first is the reference. With two
ranks each model of a pair has one, so half width on the wire (`wire`) changes `noise_only` alone.
"""

import argparse
from pathlib import Path
from statistics import mean

from benchmarks.shared.conditions import describe_conditions
from mct.results.accuracy import paired_difference, spread
from mct.results.tables import read_results, write_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--experiments", nargs="+", required=True)
    parser.add_argument("--output", type=Path, required=True, help="results, without ending")
    options = parser.parse_args()
    tops = {name: read_tops(options.results / name) for name in options.experiments}
    reference = tops[options.experiments[0]]
    rows = [
        compare(name, model, runs[model], reference[model])
        for name, runs in tops.items()
        for model in sorted(reference)
    ]
    caption = describe_conditions(" ".join(CAPTION.split()))
    write_table(rows, options.output.with_suffix(".tsv"), caption)


CAPTION = """Top-1 % on the test split, mean and standard deviation over seeds; differences to
the first experiment seed by seed, in points, with their 95 % interval (Student's t)."""


def read_tops(folder: Path) -> dict[tuple[str, str], dict[int, float]]:
    """Return top-1 % by (method, role) and seed."""
    tops: dict[tuple[str, str], dict[int, float]] = {}
    for run, evaluation in read_results((folder / "evaluation").rglob("*.json")).items():
        tops.setdefault((run.method, run.role), {})[run.seed] = 100 * evaluation["top1"]
    return tops


def compare(
    name: str, model: tuple[str, str], tops: dict[int, float], reference: dict[int, float]
) -> dict[str, str]:
    """Return the row of a model of an experiment."""
    seeds = sorted(tops)
    differences = [tops[seed] - reference[seed] for seed in seeds]
    shown = [f"{value:+.2f}" for value in paired_difference(differences)]
    middle, low, high = (*shown, "", "")[:3]
    return {
        "experiment": name, "method": model[0], "model": model[1],
        "top1_percent": f"{mean(tops.values()):.2f}", "top1_sd": spread(list(tops.values())),
        "difference": middle, "low": low, "high": high,
        "seeds": " ".join(map(str, seeds)),
    }  # fmt: skip


if __name__ == "__main__":
    main()
