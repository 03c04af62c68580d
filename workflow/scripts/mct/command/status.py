"""Show the running stages of experiments: epoch, samples per second, time left."""

import argparse
import json
import time
from contextlib import suppress
from pathlib import Path

from mct.command.experiments import Finished
from mct.command.printing import no_such, show, user_path
from mct.stage.progress import FILE, describe

SECONDS_OF_SILENCE = 60
RESULTS = Path("results")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "results",
        type=user_path,
        nargs="*",
        help="folders of results; all below results/ by default",
    )


def run(options: argparse.Namespace) -> None:
    """Print a line for each stage that runs, under the folder of its experiment."""
    folders = options.results or sorted(path.parent for path in RESULTS.glob("*/config.yaml"))
    if not folders:
        raise no_such(f"{RESULTS}/", "folders of experiments, found none; name one")
    for folder in folders:
        lines = running(Finished(folder).folder)
        show([f"{folder}:", *(f"  {line}" for line in lines or ["no training is running"])])


def running(results: Path) -> list[str]:
    """Return a line for each stage of an experiment that runs."""
    lines = []
    for path in sorted(results.glob(f"checkpoints/*/*/*/{FILE}")):
        with suppress(FileNotFoundError):  # the stage has just ended
            lines.append(line_of(path))
    return lines


def line_of(path: Path) -> str:
    """Return the line of one stage from its file of progress."""
    state = json.loads(path.read_text())
    dataset, _, name = path.parts[-4:-1]
    job = f", job {state['slurm_job']}" if state["slurm_job"] else ""
    silent = time.time() - state["updated"]
    sign = f"; no progress noted for {silent / 60:.0f} min" if silent > SECONDS_OF_SILENCE else ""
    return f"{dataset} {name}{job}: {describe(state)}{sign}"
