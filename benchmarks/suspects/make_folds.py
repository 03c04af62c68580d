"""Folders in Clothing1M's layout that each lack a part of the noisy pictures of another one.

    python -m benchmarks.suspects.make_folds --root /data/cifar10n --output /data/folds

writes `fold_0` to `fold_4` on the same file system: their files are hard links to the root's. Fold k
lacks every fifth noisy picture from the k-th on. For predictions out of sample train on each and see
compare_rankings.py.
"""

import argparse
import os
import shutil
from pathlib import Path

LIST, LABELS = "noisy_train_key_list.txt", "noisy_label_kv.txt"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args()
    if not (options.root / LIST).is_file():
        parser.error(f"--root: expected {LIST} in {options.root}, found none")
    if options.output.exists():
        parser.error(f"--output: {options.output} is there already; remove it or name another")
    for number in range(options.folds):
        make_fold(options.root, options.output / f"fold_{number}", number, options.folds)


def make_fold(root: Path, folder: Path, number: int, folds: int) -> None:
    """Write a folder that lacks the noisy pictures number, number + folds, ... of a root."""
    own = shutil.ignore_patterns(LIST, LABELS)
    shutil.copytree(root.resolve(), folder, copy_function=os.link, ignore=own)
    keys = (root / LIST).read_text().split()
    lacking = set(keys[number::folds])
    for name in (LIST, LABELS):
        lines = (root / name).read_text().splitlines()
        kept = [line for line in lines if line.split()[0] not in lacking]
        (folder / name).write_text("".join(f"{line}\n" for line in kept))


if __name__ == "__main__":
    main()
