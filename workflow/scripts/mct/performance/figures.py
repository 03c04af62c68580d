"""Figures of prefetch, communication and rehearsed scaling, from the rows of their tables."""

from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np

from mct.results.plotting import Axes, Figure, LogLocator, plt
from mct.results.tables import Row

PARTS = {
    "compute_seconds": ("compute and messages", "#0072b2", ""),
    "exposed_io_seconds": ("exposed I/O", "#d55e00", ""),
    "hidden_io_seconds": ("I/O hidden behind computing", "#ffffff", "////"),
}
LINES = {"measured": "o-", "rehearsed": "o-", "projected": "o:", "published": "s--"}


def draw_prefetch(rows: Sequence[Row]) -> Figure:
    """Return bars of a mini-batch's time over ranks, without and with prefetch (Figure 3)."""
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    kinds = ["no prefetch" if row["prefetched_batches"] == "0" else "prefetch" for row in rows]
    names = [
        f"{row['ranks']}{_mark(row)} ranks\n{kind}" for row, kind in zip(rows, kinds, strict=True)
    ]
    below = np.zeros(len(rows))
    for part, (label, colour, hatch) in PARTS.items():
        values = np.array([float(row[part]) for row in rows])
        bars = axis.bar(names, values, 0.7, bottom=below, label=label, color=colour, hatch=hatch)
        plt.setp(bars, edgecolor="black", linewidth=0.6)
        below += values
    axis.set(ylabel="seconds of a mini-batch", title="Prefetch")
    axis.legend(frameon=False, fontsize=8)
    if any(map(_mark, rows)):
        figure.supxlabel("* more ranks than cores", fontsize=8)
    return figure


def draw_communication(rows: Sequence[Row]) -> Figure:
    """Return the time of each message over ranks, lowest to highest as bars (Figure 4)."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    titles = {"averaging": "Averaging of gradients", "allgather": "Gathering of confidences"}
    for axis, (word, title) in zip(axes, titles.items(), strict=True):
        own = [row for row in rows if row["message"].startswith(word)]
        for name, part in groupby(own, key=lambda row: row["message"]):
            label = name.removeprefix(word).strip(", ")
            _plot(axis, list(part), "seconds", LINES["measured"], label)
        axis.set(
            title=title, xlabel="MPI ranks (* more than cores)", ylabel="seconds", yscale="log"
        )
        _set_ranks(axis, own)
        axis.legend(frameon=False, fontsize=8)
    return figure


def draw_rehearsal(rows: Sequence[Row]) -> Figure:
    """Return the hours of a training and the efficiency over ranks, by rehearsed steps (Figure 5)."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")

    def group(row: Row) -> tuple[str, str, str]:
        return row["system"], row["scaling"], row["kind"]

    for (system, scaling, kind), part in groupby(rows, key=group):
        own = list(part)
        label = f"{system}, {kind}" if kind == "published" else f"{system}, {scaling}, {kind}"
        for axis, column in zip(axes, ("hours", "efficiency_percent"), strict=True):
            _plot(axis, [row for row in own if row[column]], column, LINES[kind], label)
    axes[0].set(title="Time of a training", ylabel="hours", xscale="log", yscale="log")
    axes[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes[0].yaxis.set_major_formatter("{x:g}")
    axes[1].set(title="Efficiency against the fewest ranks", ylabel="percent", xscale="log")
    axes[1].set_ylim(0, 110)
    for axis in axes:
        axis.set_xlabel("MPI ranks (* more than cores where rehearsed)")
        _set_ranks(axis, rows)
    lines = axes[0].get_legend_handles_labels()
    figure.legend(*lines, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure


def _plot(axis: Axes, rows: Sequence[Row], column: str, line: str, label: str) -> None:
    ranks = [int(row["ranks"]) for row in rows]
    values = np.array([float(row[column]) for row in rows])
    (drawn,) = axis.plot(ranks, values, line, label=label, markersize=4)
    if column == "seconds":
        limits = [abs(values - [float(row[end]) for row in rows]) for end in ("lowest", "highest")]
        axis.errorbar(ranks, values, limits, fmt="none", color=drawn.get_color(), capsize=2)


def _set_ranks(axis: Axes, rows: Sequence[Row]) -> None:
    marks: dict[int, str] = {}
    for row in rows:
        ranks = int(row["ranks"])
        marks[ranks] = marks.get(ranks) or _mark(row)
    names = [f"{ranks}{mark}" for ranks, mark in marks.items()]
    axis.set_xticks(list(marks), names, fontsize=8)
    axis.minorticks_off()


def _mark(row: Row) -> str:
    return "*" if row.get("oversubscribed") == "yes" else ""


DRAWINGS: dict[str, Callable[[Sequence[Row]], Figure]] = {
    "prefetch": draw_prefetch,
    "communication": draw_communication,
    "rehearsal": draw_rehearsal,
}
