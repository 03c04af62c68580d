"""The figure of how an experiment's own trainings scale, from the rows of its table."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from mct.performance.runs import PARTS
from mct.results.plotting import Axes, Figure, plt
from mct.results.tables import Row

COLOURS = dict(zip(PARTS, ("#0072b2", "#d55e00", "#e69f00", "#cc79a7", "#999999"), strict=True))
NAMES = {"reading": "waiting for pictures", "other": "agreement of ranks, checkpoints"}
LINES = {"measured": "o-", "published": "s--"}
BAR_INCHES = 0.22


def draw_scaling(rows: Sequence[Row]) -> Figure:
    """Return speed-up and efficiency over ranks, and what the steps of each training consist of."""
    bars = [row for row in rows if row["step_seconds"]]
    figure, axes = plt.subplot_mosaic(
        [["speed_up", "efficiency_percent"], ["parts", "parts"]],
        figsize=(10, 5 + BAR_INCHES * len(bars)),
        height_ratios=[4, 1 + BAR_INCHES * len(bars)],
        layout="constrained",
    )
    for column in ("speed_up", "efficiency_percent"):
        _draw_lines(axes[column], rows, column)
    _draw_parts(axes["parts"], bars)
    lines = axes["speed_up"].get_legend_handles_labels()
    figure.legend(*lines, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure


def _draw_lines(axis: Axes, rows: Sequence[Row], column: str) -> None:
    """Draw a line for each training and system over its ranks, in multiples of the fewest."""
    ideal = [1.0]
    for (name, kind), part in groupby(
        rows, key=lambda row: (row["training"] or row["system"], row["kind"])
    ):
        own = sorted((row for row in part if row[column]), key=lambda row: int(row["ranks"]))
        ranks = np.array([int(row["ranks"]) for row in own])
        if len(set(ranks)) > 1:
            multiples = ranks / ranks[0]
            values = [float(row[column]) for row in own]
            axis.plot(multiples, values, LINES[kind], label=f"{name}, {kind}", markersize=4)
            ideal = sorted({*ideal, *multiples.tolist()})
    axis.set(xlabel="ranks, in multiples of the fewest", xscale="log")
    axis.set_xticks(ideal, [f"{multiple:.3g}" for multiple in ideal], fontsize=8)
    axis.minorticks_off()
    if column == "speed_up":
        axis.plot(ideal, ideal, ":", color="black", linewidth=0.8, label="ideal")
        axis.set(title="Speed-up against the fewest ranks", ylabel="times as fast", yscale="log")
        axis.set_yticks(ideal, [f"{multiple:.3g}" for multiple in ideal], fontsize=8)
        axis.minorticks_off()
    else:
        axis.set(title="Efficiency against the fewest ranks", ylabel="percent")
        axis.set_ylim(0, max(110.0, axis.get_ylim()[1]))


def _draw_parts(axis: Axes, rows: Sequence[Row]) -> None:
    """Draw a bar for each row, of the parts of its mean step."""
    names = [
        f"{row['training']}, {row['ranks']}{'*' if row['oversubscribed'] == 'yes' else ''}"
        for row in rows
    ]
    places, left = np.arange(len(rows)), np.zeros(len(rows))
    for part in PARTS:
        milliseconds = np.array([1e3 * float(row[f"{part}_seconds"] or 0) for row in rows])
        label, colour = NAMES.get(part, part), COLOURS[part]
        axis.barh(places, milliseconds, 0.7, left=left, label=label, color=colour)
        left += milliseconds
    axis.set_yticks(places, names, fontsize=8)
    axis.invert_yaxis()
    axis.set_title("Parts of a mean step", loc="left", pad=24)
    axis.set_xlabel("milliseconds")
    axis.set_ylabel("training, its ranks\n(* more than cores)", fontsize=8)
    axis.legend(
        frameon=False, fontsize=8, ncols=len(PARTS), loc="lower left", bbox_to_anchor=(0, 1)
    )
