"""Find labels that are probably wrong, and take what people made of them.

mct suspects CONFIG                      run the target `suspects`: the list, and a page to review it
mct suspects apply REVIEW CONFIG         check a review, and name it in the configuration
mct suspects export RESULTS --format F   write suspects for Label Studio or cleanlab, or a corrected table
mct suspects import TASKS --output FILE  make a review of what Label Studio exported
"""

import argparse

from mct.command.printing import show
from mct.command.targets import add_target_arguments, run_target


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_target_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Run the target `suspects`; its exit code is the command's."""
    experiment = run_target(options, "suspects")
    if not options.dry_run:
        page = f"{experiment.folder}/suspects/{experiment.dataset}.html"
        apply = f"mct suspects apply {experiment.dataset}_review.csv {options.config}"
        show([f"open {page} in a browser, decide, download the review; then: {apply}"])
