r"""Time what the plan takes to check the lists of a data set like Clothing1M, and what to remember it saves.

python -m benchmarks.list_check.measure_list_check --folder /tmp/list_check \
    --output benchmarks/list_check/list_check

The pictures are empty files, which a plan does not open, and the folder is removed afterwards.
"""

import argparse
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import yaml

from benchmarks.shared.conditions import ROOT, describe_conditions
from benchmarks.shared.figures import middle, span
from benchmarks.shared.processes import Spent, run_measured
from mct.results.tables import write_table

MEMORY = ROOT / ".snakemake/mct"
CLASSES, HELD_OUT, CLEAN = 14, {"clean_val": 0.014, "clean_test": 0.01}, 0.047
SECONDS_TO_SETTLE = 3
"""Lists that changed a moment ago are not remembered."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=1_000_000)
    parser.add_argument("--folders", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, required=True, help="where the data set is made")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    config = write_tree(options.folder, options.pictures, options.folders)
    rows = measure(config, options.rounds)
    shutil.rmtree(options.folder)
    measured = (
        f"`snakemake -n`, local disk with its cache warm, {options.pictures:,} pictures in "
        f"{options.folders:,} folders: medians of {options.rounds} rounds, lowest to highest."
    )
    write_table(rows, options.output.with_suffix(".tsv"), describe_conditions(measured))


def write_tree(root: Path, pictures: int, folders: int) -> Path:
    """Write empty files and lists like Clothing1M's; return a configuration that names them."""
    keys = []
    for folder in range(folders):
        (root / f"images/{folder:04d}").mkdir(parents=True)
        for number in range(folder, pictures, folders):
            keys.append(f"images/{folder:04d}/{number:09d}.jpg")
            (root / keys[-1]).touch()
    write_lists(root, keys)
    config = {
        "experiment": "list_check",
        "dataset": {
            "name": "made",
            "layout": "clothing1m",
            "root": str(root),
            "noise_rate": "counted",
        },
        "images": {"size": 224, "mean": [0.5] * 3, "std": [0.25] * 3},
        "model": {"name": "resnet50"},
    }
    (root / "list_check.yaml").write_text(yaml.safe_dump(config))
    return root / "list_check.yaml"


def write_lists(root: Path, keys: list[str]) -> None:
    """Write which keys are in which set, and their labels."""
    generator = np.random.default_rng(0)
    shuffled = generator.permutation(np.array(keys)).tolist()
    sets = {}
    for name, share in HELD_OUT.items():
        count = round(len(keys) * share)
        sets[name], shuffled = shuffled[:count], shuffled[count:]
    sets |= {"noisy_train": shuffled, "clean_train": shuffled[: round(len(keys) * CLEAN)]}
    for name, members in sets.items():
        (root / f"{name}_key_list.txt").write_text("".join(f"{key}\n" for key in members))
    verified = [key for name in ("clean_train", *HELD_OUT) for key in sets[name]]
    for file, members in (("noisy", shuffled), ("clean", verified)):
        labels = generator.integers(CLASSES, size=len(members)).tolist()
        lines = (f"{key} {label}\n" for key, label in zip(members, labels, strict=True))
        (root / f"{file}_label_kv.txt").write_text("".join(lines))
    names = "".join(f"class {number}\n" for number in range(CLASSES))
    (root / "category_names_eng.txt").write_text(names)


def measure(config: Path, rounds: int) -> list[dict[str, str]]:
    """Return a row for each kind of plan, the kinds in turn."""
    mine = ("--configfile", str(config))
    unchecked = (*mine, "--config", "dataset={check_files: false}")
    kinds = {
        "quick start": ((), False),
        "first plan": (mine, True),
        "next plan": (mine, False),
        "first plan, `dataset.check_files: false`": (unchecked, True),
    }
    time.sleep(SECONDS_TO_SETTLE)
    found: dict[str, list[Spent]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, (options, forgets) in kinds.items():
            if forgets:
                shutil.rmtree(MEMORY, ignore_errors=True)
            found[kind].append(plan(*options))
    return [row_of(kind, values) for kind, values in found.items()]


def plan(*options: str) -> Spent:
    """Return what a dry run takes."""
    return run_measured([sys.executable, "-m", "snakemake", "-n", "--cores", 4, *options])


def row_of(kind: str, runs: list[Spent]) -> dict[str, str]:
    seconds, busy, megabytes = zip(*runs, strict=True)
    return {
        "plan": kind,
        "seconds": middle(seconds, 1),
        "lowest_highest": span(seconds, 1),
        "processor_seconds": middle(busy, 1),
        "MB": f"{max(megabytes):.0f}",
        "kind": "measured",
    }


if __name__ == "__main__":
    main()
