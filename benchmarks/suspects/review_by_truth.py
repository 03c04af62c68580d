"""Review the first suspects of a list as a person who knows the truth would.

    python -m benchmarks.suspects.review_by_truth --suspects results/NAME/suspects/DATASET.tsv \
        --truth TRUE_LABELS --classes /data/cifar10n/category_names_eng.txt --first 500 --output reviews.csv

writes the columns `key` and `label` that `dataset.reviews` reads: the true class of each, also where
the observed label was right.
"""

import argparse
import csv
from itertools import islice
from pathlib import Path

from mct.base.texts import read_names
from mct.data.layouts.stored import read_labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suspects", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True, help="lines `key label`")
    parser.add_argument("--classes", type=Path, required=True, help="lines of class names")
    parser.add_argument("--first", type=int, default=500)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    names = read_names(options.classes)
    true = read_labels(options.truth, names)
    with options.suspects.open(newline="") as file:
        keys = [row["key"] for row in islice(csv.DictReader(file, delimiter="\t"), options.first)]
    with options.output.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["key", "label"])
        writer.writerows([key, names[true[key]]] for key in keys)


if __name__ == "__main__":
    main()
