"""Matplotlib with the style of this project's figures, whatever the user's own settings are.

All modules that draw import Matplotlib from here. Its settings in a `matplotlibrc` (a backend
without a display, LaTeX, fonts) would change figures or end in an error.
"""

import os

os.environ["MATPLOTLIBRC"] = os.devnull  # both are read when Matplotlib is imported
os.environ["MPLBACKEND"] = "Agg"
import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

__all__ = ["Axes", "Figure", "LogLocator", "mpl", "plt"]
plt.switch_backend("Agg")
mpl.rcdefaults()  # a matplotlibrc in the working directory comes before the variable
# Fixed salt and no date: equal results give equal files.
mpl.rcParams.update(
    {"svg.hashsalt": "mct", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)
