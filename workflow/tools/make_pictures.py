"""Make pictures of garments with wrong labels, laid out like Clothing1M, of any number.

Similar classes are confused more often, and ambiguous pictures more often than others. Some pictures of the
clean set are in the noisy one too, some files are copies or broken; `true_labels.txt` has the true labels of
all, for measuring. The same seed gives the same bytes, whatever the number of workers.
"""

import argparse
import os
import time
from pathlib import Path

import find_library  # noqa: F401

from garments.folder import make_folder
from garments.plan import Request
from mct.stage import entry


def main() -> None:
    given = read_options()
    root, workers = given.pop("output"), given.pop("workers")
    for name, one_in in (("duplicates", 1000), ("broken", 2000)):
        if given[name] is None:
            given[name] = (given["noisy"] - given["both"]) // one_in
    begin = time.perf_counter()
    plan = make_folder(root, Request(**given), workers)
    seconds = time.perf_counter() - begin
    count, noisy = len(plan.true), len(plan.observed)
    wrong = int((plan.observed != plan.true[:noisy]).sum())
    print(
        f"{root}: {count:,} pictures in {seconds:.1f} s, {count / seconds:,.0f} a second by {workers} "
        f"workers; {wrong:,} of {noisy:,} labels of the noisy set are wrong, {wrong / noisy:.1%}"
    )


def read_options() -> dict:
    parser = argparse.ArgumentParser(description=__doc__)
    numbers = {
        "noisy": (20_000, "pictures of the noisy set"),
        "clean": (1000, "pictures of the clean set"),
        "both": (500, "pictures of the clean set that are in the noisy one too"),
        "validation": (500, "pictures of the validation set"),
        "test": (1000, "pictures of the test set"),
        "duplicates": (None, "copies in the noisy set; one in 1,000 if left out"),
        "broken": (None, "broken files in the noisy set; one in 2,000 if left out"),
        "seed": (0, "another seed makes other pictures"),
        "workers": (len(os.sched_getaffinity(0)), "processes"),
    }
    parser.add_argument("--output", type=Path, required=True, help="a new or empty folder")
    parser.add_argument(
        "--noise-rate", type=float, default=0.385, help="share of wrong labels in the noisy set"
    )
    for name, (default, text) in numbers.items():
        shown = "" if default is None else f" ({default:,})"
        parser.add_argument(f"--{name}", type=int, default=default, help=text + shown)
    return vars(parser.parse_args())


if __name__ == "__main__":
    entry.run(main)
