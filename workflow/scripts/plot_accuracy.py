"""Draw the accuracy of every method's deployed model, seed by seed."""

from pathlib import Path

from mct.results import figures, tables
from mct.results.plotting import save_figure
from mct.stage import entry


def main() -> None:
    arguments = entry.options(
        __doc__, titles=entry.json_value, calibrated=entry.json_value, evaluations=list, split=str,
        output=Path,
    )  # fmt: skip
    titles, calibrated = arguments.titles, arguments.calibrated
    evaluations = tables.read_results(arguments.evaluations)
    methods = dict.fromkeys(run.method for run in evaluations)
    accuracies = tables.deployed_accuracies(evaluations, methods)
    figure = figures.draw_accuracies(accuracies, titles, calibrated, arguments.split)
    save_figure(figure, arguments.output)


if __name__ == "__main__":
    entry.run(main)
