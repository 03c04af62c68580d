"""Whether a model can start from a file of weights, asked before anything runs.

Another process answers, since reading weights needs torch, which a plan does without. Its answer is
kept for as long as the file and the question stay the same.
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
from mct.stage.closure import code_digest

PROGRAM = Path(__file__).parents[2] / "check_weights.py"
ANSWERS = Path(".snakemake/checked_weights.json")
"""In the folder where Snakemake keeps what it knows of a working directory."""


def check_weights(path: Path, model: Mapping[str, Any], classes: int) -> None:
    """Raise UserError unless a model of these settings and classes can start from a file."""
    try:
        status = path.stat()
    except OSError as error:
        raise UserError(f"model.initial_weights: {path}: {error.strerror}") from error
    settings = json.dumps(model, sort_keys=True)
    asked = [str(path.absolute()), status.st_mtime_ns, status.st_size, settings, classes]
    question = json.dumps([*asked, code_digest(PROGRAM)])
    answers = _read_answers()
    if question not in answers:
        answers = {question: _ask(path, settings, classes)}
        with suppress(OSError):  # a folder that cannot be written is asked again
            write_json(ANSWERS, answers)
    if refusal := answers[question]:
        raise UserError(refusal)


def _read_answers() -> dict[str, str]:
    """Return the last question and its answer, nothing where there is none."""
    try:
        found = json.loads(ANSWERS.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _ask(path: Path, settings: str, classes: int) -> str:
    """Return why a model cannot start from a file, or nothing."""
    options = ["--weights", str(path), "--settings", settings, "--classes", str(classes)]
    command = [sys.executable, str(PROGRAM), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    refusals = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if done.returncode == 2 and refusals:
        return f"model.initial_weights: {refusals[0]}"
    if done.returncode:
        last = lines[-1] if lines else "no message"
        raise UserError(f"{path}: cannot be checked (exit code {done.returncode}): {last}")
    return ""
