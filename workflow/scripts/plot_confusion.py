"""Draw the confusion matrices of several models of one run side by side."""

from pathlib import Path

import numpy as np

from mct.base.methods import METHODS
from mct.base.texts import read_names
from mct.results import figures, tables
from mct.stage import entry


def main() -> None:
    arguments = entry.options(__doc__, evaluations=list, classes=Path, output=Path)
    results = tables.read_results(arguments.evaluations)
    confusions = {
        f"{METHODS[run.method].title}, seed {run.seed}, {run.ranks} ranks": np.array(
            result["confusion"]
        )
        for run, result in results.items()
    }
    classes = read_names(arguments.classes)
    figures.save_figure(figures.draw_confusions(confusions, classes), arguments.output)


if __name__ == "__main__":
    entry.run(main)
