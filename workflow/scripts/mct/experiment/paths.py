"""Paths of a configuration: one spelling for each, and whether a model can start from weights.

Snakemake compares parameters as text: `data`, `./data/`, its absolute path and a link to it would be
four data sets. A path below the working folder is relative, so that a project can be moved.
"""

import json
import os
import posixpath
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mct.base.architectures import IMAGENET
from mct.base.errors import UserError
from mct.base.files import write_json
from mct.data.layouts.base import BUILTIN
from mct.stage.closure import code_digest

Spell = Callable[[str], str]
CHECK_WEIGHTS = Path(__file__).parents[2] / "check_weights.py"
ANSWERS = "weights.json"
"""The file that remembers which weights fit."""
MOST_ANSWERS = 100


def spell_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resolved configuration with each of its paths in its one spelling."""
    for keys, spell in SPELLINGS.items():
        config = _replaced(config, keys, spell)
    dataset = config.get("dataset", {})
    reviews = dict.fromkeys(map(spell_file, dataset.get("reviews", ())))
    return {**config, "dataset": {**dataset, "reviews": list(reviews)}}


def _replaced(section: Mapping[str, Any], keys: tuple[str, ...], spell: Spell) -> Mapping[str, Any]:
    """Return a section in which a path, if there is one, is spelled."""
    key, *below = keys
    value = section.get(key)
    if below and isinstance(value, Mapping):
        return {**section, key: _replaced(value, tuple(below), spell)}
    if below or not isinstance(value, str) or not value:
        return section
    return {**section, key: spell(value)}


def spell_folder(path: str) -> str:
    """Return a folder's real path, relative where it is below the working folder."""
    return _from_here(os.path.realpath(path))


def spell_file(path: str) -> str:
    """Return a file's path through real folders; its own name stays, since endings have a meaning."""
    if path in (BUILTIN, IMAGENET):
        return path
    plain = Path(os.path.normpath(path))
    return _from_here(str(Path(os.path.realpath(plain.parent)) / plain.name))


def spell_results(path: str) -> str:
    """Return the results folder, relative where its name lies below the working folder.

    A link of this name is not followed: targets are given by the name that the configuration has.
    """
    path = os.path.normpath(path)
    near = spell_file(path)
    return path if Path(near).is_absolute() else near


def _from_here(path: str) -> str:
    here = os.path.realpath(os.curdir)
    is_below = path == here or path.startswith(here.rstrip(os.sep) + os.sep)
    return os.path.relpath(path, here) if is_below else path


SPELLINGS: dict[tuple[str, ...], Spell] = {
    ("results",): spell_results,
    ("dataset", "root"): spell_folder,
    ("dataset", "clean_root"): spell_folder,
    ("dataset", "test_root"): spell_folder,
    ("dataset", "table"): posixpath.normpath,
    ("dataset", "measuring_labels"): spell_file,
    ("dataset", "classes"): spell_file,
    ("dataset", "synthetic_noise", "matrix"): spell_file,
    ("model", "initial_weights"): spell_file,
}
"""How each path of a configuration is spelled; `table` lies below the root."""


def check_results(path: Path) -> None:
    """Raise UserError where results, or a folder above them, cannot be a folder."""
    if path.exists() and not path.is_dir():
        raise UserError(f"results: expected a folder, got the file {path}")
    if path.is_symlink() and not path.exists():
        raise UserError(
            f"results: {path} is a link to {path.readlink()}, which is not there; make that "
            "folder, or remove the link"
        )


def check_weights(
    path: Path, model: Mapping[str, Any], classes: int, memory: Path | None = None
) -> None:
    """Raise UserError unless a model of these settings and classes can start from a file.

    Another process answers, since reading weights needs torch, which a plan does without. Where it
    cannot answer, a warning says so. The folder `memory` remembers that a file fits for as long as
    the file and the question stay the same.
    """
    try:
        if not path.is_file():
            raise UserError(f"model.initial_weights: no such file: {path}")
        status = path.stat()
    except OSError as error:
        raise UserError(f"model.initial_weights: {path}: {error.strerror}") from error
    settings = json.dumps(model, sort_keys=True)
    asked = [str(path.absolute()), status.st_mtime_ns, status.st_size, settings, classes]
    question = json.dumps([*asked, code_digest(CHECK_WEIGHTS)])
    fitting = _read_answers(memory / ANSWERS) if memory else []
    if question not in fitting and _fits(path, settings, classes) and memory:
        with suppress(OSError):  # a folder that cannot be written is asked again
            write_json(memory / ANSWERS, [*fitting, question][-MOST_ANSWERS:])


def _read_answers(file: Path) -> list[str]:
    """Return the questions that were answered with yes."""
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return []
    return found if isinstance(found, list) else []


def _fits(path: Path, settings: str, classes: int) -> bool:
    """Return whether it is known that a model can start from a file; UserError if it cannot."""
    options = ["--weights", str(path), "--settings", settings, "--classes", str(classes)]
    command = [sys.executable, str(CHECK_WEIGHTS), *options]
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
