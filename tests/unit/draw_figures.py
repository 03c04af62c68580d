"""Draw figures of both modules into a folder; run by test_plotting.py in processes of its own."""

import sys
from pathlib import Path

import numpy as np

from mct.performance.figures import draw_prefetch
from mct.results.figures import draw_accuracies, draw_confusions
from mct.results.plotting import save_figure

CLASSES = ["a_b", "100 %"]
TIMES = [
    {
        "ranks": "2", "prefetched_batches": "1", "compute_seconds": "0.2",
        "exposed_io_seconds": "0.1", "hidden_io_seconds": "0.1",
    }
]  # fmt: skip


def main(folder: Path) -> None:
    figures = {
        "confusions": draw_confusions({"Mp": np.array([[3, 1], [0, 4]])}, CLASSES),
        "accuracies": draw_accuracies({("mct", 2): [90.0, 91.0]}, {"mct": "MCT"}, ["mct"], "test"),
        "prefetch": draw_prefetch(TIMES),
    }
    for name, figure in figures.items():
        save_figure(figure, folder / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
