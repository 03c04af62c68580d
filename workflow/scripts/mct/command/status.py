"""Show the running stages of experiments: epoch, samples per second, time left.

A training that failed or was stopped is shown as such, with its error and its log, until it runs again.
"""

import argparse
import json
import time
from contextlib import suppress
from pathlib import Path

from mct.command.experiments import Finished
from mct.command.printing import no_such, show, user_path
from mct.stage.attempts import Attempts
from mct.stage.progress import FILE, describe
from mct.stage.watch import is_over

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
    """Return a line for each stage of an experiment that runs, or did not get to its end."""
    lines = []
    for path in sorted(results.glob(f"checkpoints/*/*/*/{FILE}")):
        with suppress(FileNotFoundError):  # the stage has just ended
            lines.append(line_of(path))
    return lines


def line_of(path: Path) -> str:
    """Return the line of one stage from its file of progress."""
    state = json.loads(path.read_text())
    dataset, stage, name = path.parts[-4:-1]
    job = f", job {state['slurm_job']}" if state["slurm_job"] else ""
    if ended := ending(path.parent):
        return f"{dataset} {name}{job}: {stage}: {ended}"
    silent = time.time() - state["updated"]
    sign = f"; no progress noted for {silent / 60:.0f} min" if silent > SECONDS_OF_SILENCE else ""
    return f"{dataset} {name}{job}: {describe(state)}{sign}"


def ending(checkpoints: Path) -> str:
    """Return how a stage ended and where its log is, by the folder of its checkpoints; else nothing.

    Its attempts say so on all machines; that it was killed shows on the machine it ran on.
    """
    folder, own = checkpoints.parents[3], checkpoints.relative_to(checkpoints.parents[2])
    log = folder / "logs" / own.with_name(f"{own.name}.log")
    ended = Attempts(log.with_suffix(".attempts")).ending()
    if not ended and is_over(checkpoints):
        ended = "its process has ended before its work"
    return f"{ended}; log: {log}" if ended else ""
