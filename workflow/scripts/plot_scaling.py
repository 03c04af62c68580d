"""Draw how the experiment's own trainings scale over its numbers of ranks."""

import json
from pathlib import Path

from mct.performance.run_figures import draw_scaling
from mct.performance.runs import run_rows
from mct.results.plotting import save_figure
from mct.results.tables import read_results, read_rows
from mct.stage import entry


def main() -> None:
    arguments = entry.options(__doc__, titles=str, records=list, published=Path, output=Path)
    records, published = read_results(arguments.records), read_rows(arguments.published)
    rows = run_rows(records, json.loads(arguments.titles), published)
    save_figure(draw_scaling(rows), arguments.output)


if __name__ == "__main__":
    entry.run(main)
