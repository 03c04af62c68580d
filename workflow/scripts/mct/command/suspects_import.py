"""Make a review of what people chose in Label Studio: its export as JSON, or as JSON-MIN.

Tasks are those that `mct suspects export` wrote. One without an annotation, or with annotations that
differ, is undecided.
"""

import argparse
from collections import Counter

from mct.command.printing import show, user_path
from mct.results.label_studio import read_answers
from mct.results.suspect_files import REVIEW, write_csv


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("tasks", type=user_path, help="the file that Label Studio exported")
    parser.add_argument("--output", type=user_path, required=True, help="the review, a CSV file")


def run(options: argparse.Namespace) -> None:
    """Write a review; UserError for another file."""
    rows = read_answers(options.tasks)
    write_csv(options.output, REVIEW, rows)
    kinds = Counter(row[2] or "undecided" for row in rows)
    parts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    show([f"{options.output}: {len(rows)} tasks: {parts or 'none'}"])
