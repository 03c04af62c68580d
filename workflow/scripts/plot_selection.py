"""Draw how pure and how complete the selections of calibration were, class by class."""

from pathlib import Path

from mct.base.files import read_arrays
from mct.base.texts import read_names
from mct.results.figures import Quality, draw_selection, measure_selection
from mct.results.plotting import save_figure
from mct.stage import entry


def main() -> None:
    arguments = entry.options(__doc__, samples=list, classes=Path, output=Path)
    classes = read_names(arguments.classes)
    qualities = [read_quality(path, len(classes)) for path in arguments.samples]
    save_figure(draw_selection(qualities, classes), arguments.output)


def read_quality(path: Path, classes: int) -> Quality:
    """Return the quality of the selections in a record of samples."""
    names = ("selected", "observed", "true", "in_clean")
    selected, observed, true, in_clean = read_arrays(path, *names)
    return measure_selection(selected, observed, true, (true >= 0) & ~in_clean, classes)


if __name__ == "__main__":
    entry.run(main)
