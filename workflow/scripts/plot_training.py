"""Draw losses of both stages, and what calibration selected."""

from pathlib import Path

from mct.base.files import read_json
from mct.results import figures
from mct.results.plotting import save_figure
from mct.stage import entry


def main() -> None:
    arguments = entry.options(
        __doc__, auxiliary=list, primary=list, calibration=list, noise=Path, output=Path
    )
    pretraining = {
        role: [figures.read_epochs(path) for path in getattr(arguments, role)]
        for role in figures.COLOURS
    }
    calibration = [figures.read_epochs(path) for path in arguments.calibration]
    rate = read_json(arguments.noise, "rate")["rate"]
    save_figure(figures.draw_training(pretraining, calibration, rate), arguments.output)


if __name__ == "__main__":
    entry.run(main)
