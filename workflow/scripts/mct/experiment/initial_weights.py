"""Whether a model can start from a file of weights, asked before anything runs.

Another process answers, since reading weights needs torch, which a plan does without. That a file
fits is remembered for as long as the file and the question stay the same.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mct.base.errors import UserError
from mct.base.files import write_json
from mct.experiment.nets import Nets, pretrained
from mct.stage.closure import code_digest

PROGRAM = Path(__file__).parents[2] / "check_weights.py"
NAME = "weights.json"
"""Of the file that remembers answers."""
MOST = 100
"""Answers that are kept."""


def check_weights(
    path: Path, model: Mapping[str, Any], classes: int, memory: Path | None = None
) -> None:
    """Raise UserError unless a model of these settings and classes can start from a file.

    Where this cannot be found out here, a warning says so; the job that starts from the file sees.
    `memory` is a folder in which it is kept that a file fits.
    """
    try:
        if not path.is_file():
            raise UserError(f"model.initial_weights: no such file: {path}")
        status = path.stat()
    except OSError as error:
        raise UserError(f"model.initial_weights: {path}: {error.strerror}") from error
    settings = json.dumps(model, sort_keys=True)
    asked = [str(path.absolute()), status.st_mtime_ns, status.st_size, settings, classes]
    question = json.dumps([*asked, code_digest(PROGRAM)])
    fitting = _read(memory / NAME) if memory else []
    if question not in fitting and _fits(path, settings, classes) and memory:
        with suppress(OSError):  # a folder that cannot be written is asked again
            write_json(memory / NAME, [*fitting, question][-MOST:])


def check_fetched(model: Mapping[str, Any], classes: int, nets: Nets) -> None:
    """Raise UserError where the classifier of weights that a job fetches is kept for other classes."""
    weights = pretrained(model["name"], 0, nets) if model["keep_classifier"] else None
    if weights and weights.classes != classes:
        raise UserError(
            f"model.keep_classifier: {model['name']}'s own weights are for {weights.classes} classes, "
            f"expected {classes}; set it to false to start the classifier at random"
        )


def _read(file: Path) -> list[str]:
    """Return the questions that were answered with yes."""
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return []
    return found if isinstance(found, list) else []


def _fits(path: Path, settings: str, classes: int) -> bool:
    """Return whether it is known that a model can start from a file; UserError if it cannot."""
    options = ["--weights", str(path), "--settings", settings, "--classes", str(classes)]
    command = [sys.executable, str(PROGRAM), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    refusals = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if done.returncode == 2 and refusals:
        raise UserError(f"model.initial_weights: {refusals[0]}")
    if done.returncode:
        last = lines[-1] if lines else "no message"
        print(
            f"warning: model.initial_weights: {path}: cannot be checked before its job (exit code "
            f"{done.returncode}): {last}",
            file=sys.stderr,
        )
    return not done.returncode
