"""Figures of results, and the quality of selections that one of them shows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mct.base.files import parsing
from mct.results.plotting import Axes, Figure, MaxNLocator, mpl, plt
from mct.results.tables import read_rows

COLOURS = {"auxiliary": "#0072b2", "primary": "#d55e00"}
NAMES = {"auxiliary": "Ma (auxiliary)", "primary": "Mp (primary, deployed)"}
LARGEST_LABELLED = 20
"""Classes up to which a confusion matrix names classes and prints its cells."""
PANELS = 3
"""Confusion matrices in a row."""
Values = NDArray[np.float64]
Table = dict[str, Values]


def read_epochs(path: Path) -> Table:
    """Return the columns of an epochs.tsv."""
    with parsing(path, "the epochs of a training", ValueError, TypeError, IndexError):
        rows = read_rows(path)
        return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def draw_confusions(confusions: Mapping[str, NDArray[np.int64]], classes: Sequence[str]) -> Figure:
    """Return one panel per model: rows are true classes, cells percent of the row."""
    columns = min(len(confusions), PANELS)
    rows = -(-len(confusions) // columns)
    size = 1 + 4.2 * columns, 4.4 * rows
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    for axis in axes.flat[len(confusions) :]:
        axis.remove()
    for axis, (title, counts) in zip(axes.flat, confusions.items(), strict=False):
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        image = axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
        accuracy = counts.trace() / counts.sum()
        axis.set(
            title=f"{title}: top-1 {accuracy:.1%}", xlabel="predicted class", ylabel="true class"
        )
        if len(classes) <= LARGEST_LABELLED:
            _label_cells(axis, share, classes)
    drawn = axes.flat[: len(confusions)]
    figure.colorbar(image, ax=list(drawn), label="share of the true class", shrink=0.8)
    return figure


def _label_cells(axis: Axes, share: NDArray[np.float64], classes: Sequence[str]) -> None:
    places = range(len(classes))
    rotation = 90 if max(map(len, classes)) > 2 else 0
    axis.set_xticks(places, classes, rotation=rotation, parse_math=False)
    axis.set_yticks(places, classes, parse_math=False)
    for row, column in zip(*np.nonzero(share >= 0.005), strict=True):
        colour = "white" if share[row, column] > 0.5 else "black"
        text = f"{100 * share[row, column]:.0f}"
        axis.text(column, row, text, ha="center", va="center", color=colour, fontsize=6)


def draw_accuracies(
    accuracies: Mapping[tuple[str, int], Sequence[float]],
    titles: Mapping[str, str],
    calibrated: Sequence[str],
    split: str,
) -> Figure:
    """Return one row per method: one dot per seed, their mean, and a standard deviation around it.

    `accuracies` are top-1 in % of deployed models by method and number of ranks. Methods in
    `calibrated` have Mp's colour.
    """
    height = 0.8 + 0.32 * len(accuracies)
    figure, axis = plt.subplots(figsize=(7, height), layout="constrained")
    for place, ((method, _), values) in enumerate(accuracies.items()):
        colour = COLOURS["primary" if method in calibrated else "auxiliary"]
        reach = np.std(values, ddof=1) if len(values) > 1 else 0.0
        axis.plot(values, [place] * len(values), "o", color=colour, markersize=4, alpha=0.45)
        axis.errorbar(
            np.mean(values), place, xerr=reach, fmt="|", color=colour, markersize=14, capsize=3
        )
    several = len({ranks for _, ranks in accuracies}) > 1
    names = [
        f"{titles[method]}, {ranks} ranks" if several else titles[method]
        for method, ranks in accuracies
    ]
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(-0.6, len(names) - 0.4)
    axis.invert_yaxis()
    axis.grid(axis="x", color="0.9")
    axis.set_axisbelow(True)
    axis.set_xlabel(f"measured top-1 in % ({split}): one dot per seed, mean ± standard deviation")
    return figure


def draw_training(
    pretraining: Mapping[str, Sequence[Table]], calibration: Sequence[Table], noise_rate: float
) -> Figure:
    """Return losses of both stages, and selection and purity in calibration, one line per seed."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    for role, tables in pretraining.items():
        for table in tables:
            axes[0].plot(table["epoch"], table["loss"], color=COLOURS[role], label=NAMES[role])
    for role in COLOURS:
        for table in calibration:
            line = {"color": COLOURS[role], "label": NAMES[role]}
            axes[1].plot(table["epoch"], table[f"loss_{role}"], **line)
    axes[0].set(title="Pretraining", ylabel="cross-entropy on trained labels", xlabel="epoch")
    axes[1].set(title="Calibration", ylabel="mean loss of learned samples", xlabel="epoch")
    _draw_selected(axes[2], calibration)
    axes[2].axhline(1 - noise_rate, color="grey", linewidth=0.8, linestyle="--", label="1 - P")
    axes[2].set_ylim(0, 1.02)
    for axis in axes:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        handles, labels = axis.get_legend_handles_labels()
        unique = dict(zip(labels, handles, strict=True))
        axis.legend(unique.values(), unique.keys(), frameon=False, fontsize=8)
    return figure


def _draw_selected(axis: Axes, calibration: Sequence[Table]) -> None:
    """Draw the share that was selected and, where the truth is known, its purity (then solid)."""
    purities = [table[f"purity_{role}"] for role in COLOURS for table in calibration]
    is_known = not np.isnan(np.concatenate(purities)).all()
    for role in COLOURS:
        for table in calibration:
            shown = "purity" if is_known else "selected"
            values = table[f"{shown}_{role}"]
            axis.plot(table["epoch"], values, color=COLOURS[role], label=NAMES[role])
            if is_known:
                share = table[f"selected_{role}"]
                axis.plot(table["epoch"], share, linestyle=":", color=COLOURS[role])
    label = "purity (dotted: share selected)" if is_known else "share selected"
    axis.set(title="Selection in calibration", ylabel=label, xlabel="epoch")


class Quality(NamedTuple):
    """Both selections in every epoch, float64 of shape (epochs, 2, K), by observed class.

    Purity and recall are NaN where there is nothing to measure them with; `share` is the part of a
    class that was selected.
    """

    purity: NDArray[np.float64]
    recall: NDArray[np.float64]
    share: NDArray[np.float64]


def measure_selection(
    selected: NDArray[np.bool_],
    observed: NDArray[np.integer],
    true: NDArray[np.integer],
    measurable: NDArray[np.bool_],
    classes: int,
) -> Quality:
    """Measure the selections (epochs, n, 2) of samples whose labels are (n,).

    Purity is the share of selected labels that are right, recall the share of right labels that
    are selected, both over `measurable` samples: truth known, but not to the training.
    """
    is_right = measurable & (observed == true)

    def count(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the numbers by class, (epochs, 2, K), of a mask (epochs, n, 2)."""
        parts = [
            [np.bincount(observed[part], minlength=classes) for part in epoch.T] for epoch in mask
        ]
        return np.array(parts)

    pure, chosen = (count(selected & part[:, None]) for part in (is_right, measurable))
    right = np.bincount(observed[is_right], minlength=classes)
    shown = np.bincount(observed, minlength=classes)
    with np.errstate(invalid="ignore"):
        share = count(selected) / shown
        return Quality(purity=pure / chosen, recall=pure / right, share=share)


def draw_selection(qualities: Sequence[Quality], classes: Sequence[str]) -> Figure:
    """Return both selections over epochs: means over seeds, a line per class.

    The share of each class that was selected, and purity and recall where the truth is known. A
    class without selected samples has no purity: its line ends, and the mean leaves it out.
    """
    means = {
        name: mean_of_known([getattr(quality, name) for quality in qualities])
        for name in Quality._fields
    }
    drawn = {name: mean for name, mean in means.items() if not np.isnan(mean).all()}
    figure, axes = plt.subplots(
        len(drawn), 2, figsize=(10, 3 * len(drawn)), layout="constrained", sharex=True,
        sharey=True, squeeze=False,
    )  # fmt: skip
    colours = mpl.colormaps["turbo"](np.linspace(0.05, 0.95, len(classes)))
    for row, (name, mean) in zip(axes, drawn.items(), strict=True):
        epochs = np.arange(1, len(mean) + 1)
        for axis, role, values in zip(row, COLOURS, mean.transpose(1, 2, 0), strict=True):
            for label, line, colour in zip(classes, values, colours, strict=True):
                axis.plot(epochs, line, color=colour, label=label, linewidth=1)
            axis.plot(epochs, mean_of_known(values), color="black", label="mean of classes")
            title = "share selected" if name == "share" else name
            axis.set(title=f"{NAMES[role]}: {title}", ylim=(0, 1.02))
    for axis in axes[-1]:
        axis.set_xlabel("epoch of calibration")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if len(classes) <= LARGEST_LABELLED:
        lines = axes[0, 0].lines
        legend = figure.legend(
            lines, map(str, range(len(lines))), loc="outside right upper", frameon=False
        )
        for text, line in zip(legend.get_texts(), lines, strict=True):  # `_name` would be left out
            text.set(text=line.get_label(), parse_math=False)
    return figure


def mean_of_known(values: Sequence[Values] | Values) -> Values:
    """Return the mean over the first axis of what is not NaN; NaN where nothing is."""
    known = ~np.isnan(values)
    total, count = np.where(known, values, 0.0).sum(axis=0), known.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def draw_pictures(
    census: Mapping[str, Mapping[str, Any]], names: Sequence[str], edges: NDArray[np.float64]
) -> Figure:
    """Return pictures by class and by short side, one line or bar per set; counts on a log scale."""
    figure, axes = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
    places = np.arange(len(names))
    named = len(names) <= LARGEST_LABELLED
    for number, (name, part) in enumerate(census.items()):
        counts = np.array(part["classes"])
        if named:
            axes[0].bar(places + 0.2 * number - 0.3, counts, 0.2, label=name)
        else:
            axes[0].step(places, np.sort(counts)[::-1], label=name)
        axes[1].stairs(part["short_sides"], edges, label=name, fill=False)
    if named:
        rotation = 90 if max(map(len, names)) > 2 else 0
        axes[0].set_xticks(places, names, rotation=rotation, parse_math=False)
    axes[0].set(
        title="Classes" if named else "Classes, each set's largest first",
        ylabel="pictures",
        xlabel="observed class in noisy, else true class",
    )
    axes[1].set(title="Sizes", xlabel="short side in pixels", ylabel="pictures")
    axes[1].set_xscale("log", base=2)
    axes[1].xaxis.set_major_formatter("{x:.0f}")
    for axis in axes:
        axis.set_yscale("symlog", linthresh=10)
        axis.set_ylim(bottom=0)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    return figure


def draw_rules(edges: Sequence[tuple[str, str]]) -> Figure:
    """Return a graph of rules without redundant arrows, given pairs (rule, rule that needs it)."""
    import networkx

    graph = networkx.transitive_reduction(networkx.DiGraph(edges))
    for depth, names in enumerate(networkx.topological_generations(graph)):
        for name in names:
            graph.nodes[name]["depth"] = depth
    places = networkx.multipartite_layout(graph, subset_key="depth", align="horizontal")
    figure, axis = plt.subplots(figsize=(9, 8), layout="constrained")
    networkx.draw_networkx(
        graph, places, ax=axis, node_size=0, font_size=8, edge_color="grey", width=0.8,
        min_source_margin=10, min_target_margin=10, connectionstyle="arc3,rad=0.06",
        bbox={"boxstyle": "round", "facecolor": "#e8f1fa", "edgecolor": COLOURS["auxiliary"]},
    )  # fmt: skip
    axis.invert_yaxis()
    axis.margins(x=0.12)
    axis.axis("off")
    return figure
