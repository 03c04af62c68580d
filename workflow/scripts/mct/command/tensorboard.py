"""Write the curves of all finished trainings as event files, for TensorBoard.

They lie in `results/<experiment>/tensorboard/`, a folder for each training and run. The package
`tensorboard` is optional: pip install -e '.[tensorboard]'
"""

import argparse
from pathlib import Path

from mct.command.experiments import Finished
from mct.command.printing import no_such, show, user_path
from mct.results.event_files import check_package, write_events
from mct.results.figures import read_epochs

FOLDER = "tensorboard"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("results", type=user_path, help="an experiment's folder of results")


def run(options: argparse.Namespace) -> None:
    """Write an event file for each epochs.tsv, and say how to look at them."""
    check_package()
    folder = Finished(options.results).folder
    found = epochs_of(folder)
    if not found:
        raise no_such(
            f"{folder}/models/", "figures of epochs (epochs.tsv), found none; run it first"
        )
    write_events({own: read_epochs(path) for own, path in found.items()})
    logs = folder / FOLDER
    show([f"written: {logs}/, {len(found)} trainings", f"next: tensorboard --logdir {logs}"])


def epochs_of(results: Path) -> dict[Path, Path]:
    """Return the figures of epochs of all finished trainings, by the folder for their event file."""
    paths = sorted(results.glob("models/*/*/*/epochs.tsv"))
    return {results / FOLDER / path.parent.relative_to(results / "models"): path for path in paths}
