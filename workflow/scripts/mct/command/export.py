"""Hand the trained model over: safetensors, ONNX and a model card, in `results/<experiment>/export/`.

Runs the target `export`, which trains what is not trained yet.
"""

import argparse
from pathlib import Path

from mct.command.printing import show
from mct.command.targets import add_target_arguments, run_target


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_target_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Run the target `export`; its exit code is the command's."""
    experiment = run_target(options, "export")
    if not options.dry_run:
        folders = sorted(Path(experiment.folder).glob("export/*/*/"))
        show([f"written: {folder}/" for folder in folders])
