"""Draw the accuracy of every method's deployed model, seed by seed."""

import json
from pathlib import Path

from mct.results import figures, runs
from mct.results.plotting import save_figure
from mct.stage import entry


def main() -> None:
    arguments = entry.options(__doc__, evaluations=list, methods=str, split=str, output=Path)
    evaluations = runs.read_results(arguments.evaluations)
    methods = json.loads(arguments.methods)
    accuracies = runs.deployed_accuracies(evaluations, methods["titles"])
    figure = figures.draw_accuracies(accuracies, **methods, split=arguments.split)
    save_figure(figure, arguments.output)


if __name__ == "__main__":
    entry.run(main)
