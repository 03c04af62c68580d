"""Find labels that are probably wrong, and take what people made of them.

mct suspects CONFIG                      run the target `suspects`: the list, and a page to review it
mct suspects apply REVIEW CONFIG         check a review, and name it in the configuration
mct suspects export RESULTS --format F   write suspects for Label Studio or cleanlab, or a corrected table
mct suspects import TASKS --output FILE  make a review of what Label Studio exported
"""

import argparse
import os
import subprocess
from pathlib import Path

from mct.command.check import open_experiment
from mct.command.plan import shown, snakemake
from mct.command.printing import show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("config", type=Path, help="a configuration, as --configfile takes it")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("-n", "--dry-run", action="store_true", help="only show what would run")


def run(options: argparse.Namespace) -> None:
    """Run the target `suspects`; its exit code is the command's."""
    experiment = open_experiment(options.config)
    words = ["suspects", *(["-n"] if options.dry_run else []), "--cores", str(options.cores)]
    show([shown(options.config, words)])
    done = subprocess.run(snakemake(options.config, words), check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    if not options.dry_run:
        page = f"{experiment.folder}/suspects/{experiment.dataset}.html"
        apply = f"mct suspects apply {experiment.dataset}_review.csv {options.config}"
        show([f"open {page} in a browser, decide, download the review; then: {apply}"])
