"""Draw the first suspects of a list: pictures, given labels, and in green those that are proposed."""

from pathlib import Path

import find_library  # noqa: F401

from mct.data.imagesets import open_set
from mct.results.plotting import plt, save_figure
from mct.results.tables import read_rows
from mct.stage import entry

ROWS, COLUMNS = 2, 10
GREEN = "#1a7f37"


def main() -> None:
    arguments = entry.options(__doc__, list=Path, labels=Path, output=Path)
    rows = read_rows(arguments.list)[: ROWS * COLUMNS]
    noisy = open_set("noisy", arguments.labels)
    places = {key.decode(): place for place, key in enumerate(noisy.keys())}
    figure, axes = plt.subplots(ROWS, COLUMNS, figsize=(9, 2.6), layout="constrained")
    for axis in axes.flat:
        axis.axis("off")
    for axis, row in zip(axes.flat, rows, strict=False):
        axis.imshow(noisy.read(places[row["key"]]), interpolation="nearest")
        for place, name, colour in ((0.3, "observed", "black"), (0.6, "proposed", GREEN)):
            axis.text(place, -0.25, row[name], color=colour, fontsize=11, transform=axis.transAxes)
    save_figure(figure, arguments.output)


if __name__ == "__main__":
    entry.run(main)
