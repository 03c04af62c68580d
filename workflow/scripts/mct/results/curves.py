"""Validation accuracy while models were trained, a line for each method."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mct.results.figures import Table, mean_of_known
from mct.results.plotting import Figure, mpl, plt

Line = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Shares of a training, 0 to 1, and top-1 % on validation pictures after each."""
COLUMNS = ("validation_accuracy", "validation_accuracy_primary")


def join(parts: Sequence[Table]) -> Line:
    """Return the line of a deployed model by the epochs of the trainings that it went through.

    Epochs count alike; those after which nothing was measured are left out.
    """
    values = np.concatenate([_accuracies(part) for part in parts])
    shares = np.arange(1, len(values) + 1) / max(len(values), 1)
    known = ~np.isnan(values)
    return shares[known], 100 * values[known]


def _accuracies(part: Table) -> NDArray[np.float64]:
    """Return the accuracies of Mp, or of the model that was trained alone."""
    found = next((part[name] for name in COLUMNS if name in part), None)
    return np.full(len(part["epoch"]), np.nan) if found is None else found


def draw_curves(lines: Mapping[str, Sequence[Line]]) -> Figure:
    """Return the mean line over runs of each method, by its title; a method without any is left out."""
    figure, axis = plt.subplots(figsize=(8, 4), layout="constrained")
    colours = mpl.colormaps["turbo"](np.linspace(0.05, 0.95, max(len(lines), 2)))
    for (title, runs), colour in zip(lines.items(), colours, strict=False):
        known = [run for run in runs if len(run[0])]
        if known:
            width = 2.5 if title == "MCT" else 1.2
            shares, mean = known[0][0], mean_of_known(np.array([values for _, values in known]))
            axis.plot(shares, mean, color=colour, label=title, linewidth=width)
    axis.set(xlabel="share of the training, pretraining included", ylabel="validation top-1 %")
    axis.legend(frameon=False, fontsize=8, loc="lower right")
    return figure
