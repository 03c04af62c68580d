"""Draw the rule graph that `snakemake --rulegraph` prints (read from standard input)."""

import re
import sys
from pathlib import Path

import find_library  # noqa: F401

from mct.base.errors import UserError
from mct.results import figures
from mct.results.plotting import save_figure
from mct.stage import entry


def main() -> None:
    arguments = entry.options(__doc__, output=Path)
    dot = sys.stdin.read()
    names = dict(re.findall(r'(\d+)\[label = "([^"\\]+)', dot))
    edges = [(names[a], names[b]) for a, b in re.findall(r"(\d+) -> (\d+)", dot)]
    if not edges:
        raise UserError("standard input: expected a graph from `snakemake --rulegraph`, got none")
    save_figure(figures.draw_rules(edges), arguments.output)


if __name__ == "__main__":
    entry.run(main)
