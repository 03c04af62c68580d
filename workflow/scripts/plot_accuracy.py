"""Draw the accuracy of every method's deployed model, seed by seed."""

from pathlib import Path

from mct.results import figures, tables
from mct.stage import entry


def main() -> None:
    arguments = entry.options(__doc__, evaluations=list, split=str, output=Path)
    evaluations = tables.read_results(arguments.evaluations)
    methods = dict.fromkeys(run.method for run in evaluations)
    accuracies = tables.deployed_accuracies(evaluations, methods)
    figures.save_figure(figures.draw_accuracies(accuracies, arguments.split), arguments.output)


if __name__ == "__main__":
    entry.run(main)
