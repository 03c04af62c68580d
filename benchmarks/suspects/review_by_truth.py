"""Review the first suspects of a list as a person who knows the truth would.

    python -m benchmarks.suspects.review_by_truth --suspects results/NAME/suspects/DATASET.tsv \
        --truth TRUE_LABELS --classes /data/cifar10n/category_names_eng.txt --first 500 --output reviews.csv

writes the columns `key` and `label` that `dataset.reviews` reads: the true class of each, also where
the observed label was right. Prints how many were wrong.
"""

import argparse
import csv
import sys
from itertools import islice
from pathlib import Path

from mct.base.errors import UserError
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
    try:
        rows = review(options.suspects, options.truth, options.classes, options.first)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    with options.output.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["key", "label"])
        writer.writerows((key, label) for key, _, label in rows)
    print(
        f"{sum(observed != label for _, observed, label in rows)} of {len(rows)} labels were wrong"
    )


def review(suspects: Path, truth: Path, classes: Path, first: int) -> list[tuple[str, str, str]]:
    """Return key, observed and true class of the first suspects; UserError where a truth is missing."""
    names = read_names(classes)
    true = read_labels(truth, names)
    with suspects.open(newline="") as file:
        rows = list(islice(csv.DictReader(file, delimiter="\t"), first))
    if missing := next((row["key"] for row in rows if row["key"] not in true), None):
        raise UserError(f"{truth}: expected a label of {missing}, found none")
    return [(row["key"], row["observed"], names[true[row["key"]]]) for row in rows]


if __name__ == "__main__":
    main()
