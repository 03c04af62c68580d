"""Matplotlib with the style of this project's figures, whatever the user's own settings are.

All modules that draw import Matplotlib from here. Its settings in a `matplotlibrc` (a backend
without a display, LaTeX, fonts) would change figures or end in an error.
"""

import os
from pathlib import Path

from mct.base.errors import UserError
from mct.base.files import replacing

os.environ["MATPLOTLIBRC"] = os.devnull  # both are read when Matplotlib is imported
os.environ["MPLBACKEND"] = "Agg"
import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

__all__ = ["Axes", "Figure", "LogLocator", "MaxNLocator", "mpl", "plt", "save_figure"]
plt.switch_backend("Agg")
mpl.rcdefaults()  # a matplotlibrc in the working directory comes before the variable
# Fixed salt and no date: equal results give equal files.
mpl.rcParams.update(
    {"svg.hashsalt": "mct", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG to `path` and as SVG next to it; UserError for another ending.

    A line of one point, as after one epoch, is drawn as a dot, a dotted line as a hollow one.
    """
    for line in [line for axis in figure.axes for line in axis.lines]:
        if np.isfinite(np.asarray(line.get_ydata(), float)).sum() == 1:
            line.set(marker="o", markerfacecolor="none" if line.get_linestyle() == ":" else None)
    if path.suffix != ".png":
        raise UserError(f"{path}: expected a name that ends in .png")
    for target, metadata in (
        (path, {"Software": None}),
        (path.with_suffix(".svg"), {"Date": None}),
    ):
        with replacing(target) as temporary:
            figure.savefig(temporary, format=target.suffix[1:], dpi=150, metadata=metadata)
    plt.close(figure)
