"""Draw the confusion matrices of several models of one run side by side."""

from pathlib import Path

import numpy as np

from mct.base.texts import read_names
from mct.results import figures, tables
from mct.results.plotting import save_figure
from mct.stage import entry


def main() -> None:
    arguments = entry.options(
        __doc__, titles=entry.json_value, evaluations=list, classes=Path, output=Path
    )
    results = tables.read_results(arguments.evaluations)
    confusions = {
        f"{arguments.titles[run.method]}, seed {run.seed}, {run.ranks} ranks": np.array(
            result["confusion"]
        )
        for run, result in results.items()
    }
    classes = read_names(arguments.classes)
    save_figure(figures.draw_confusions(confusions, classes), arguments.output)


if __name__ == "__main__":
    entry.run(main)
