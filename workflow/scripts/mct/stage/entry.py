"""What every entry point shares: options, settings and exit codes."""

import argparse
import errno
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from mct.base.errors import StageInterruptedError, UserError
from mct.base.keys import Settings, parse, pick
from mct.base.yaml_files import read_yaml
from mct.stage.attempts import Attempts
from mct.stage.limits import allow_open_files
from mct.stage.settings import ExecutionSettings

T = TypeVar("T", bound=Settings)
USER_ERROR, INTERRUPTED = 2, 75
SECONDS_OF_SILENCE = 8
RANKS = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")
"""The variables in which MPI launchers give a process its rank."""
FEWER_FILES = "raise the limit of open files (ulimit -n) or take fewer shards"
ADVICE = {
    "make space or allow access": (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES),
    "name a file, below folders": (errno.EISDIR, errno.ENOTDIR),
    FEWER_FILES: (errno.EMFILE, errno.ENFILE),
}
"""What is to be done about errors of the system."""


def options(description: str | None, **arguments: Callable[..., Any]) -> argparse.Namespace:
    """Return the command line's options; each argument is required, `type` converts it.

    `list` collects paths, `tuple` any number of them, so that it may be left out. Underscores become
    dashes.
    """
    parser = argparse.ArgumentParser(description=description)
    for name, kind in arguments.items():
        flag = f"--{name.replace('_', '-')}"
        if kind is list:
            parser.add_argument(flag, nargs="+", type=Path, required=True)
        elif kind is tuple:
            parser.add_argument(flag, nargs="*", type=Path, default=[])
        else:
            parser.add_argument(flag, type=_natural if kind is int else kind, required=True)
    return parser.parse_args()


def _natural(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got {text!r}")
    return int(text)


def json_value(text: str) -> Any:
    """Return what an option holds as JSON."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected JSON, got {text!r}: {error}") from error


def read_settings(cls: type[T], text: str) -> T:
    """Return settings from the JSON text that a rule passes."""
    try:
        return parse(cls, json.loads(text))
    except json.JSONDecodeError as error:
        raise UserError(f"{cls.__name__}: expected JSON, got {text[:60]!r}: {error}") from error


def read_keys(path: Path) -> dict[str, Any]:
    """Return what a YAML file of a configuration holds; UserError if that is not keys with values."""
    found = read_yaml(path)
    if not isinstance(found, dict):
        raise UserError(f"{path}: expected a configuration, keys with values, got no keys")
    return found


def read_execution(path: Path) -> ExecutionSettings:
    """Return how a stage runs, from an experiment's resolved configuration."""
    return parse(ExecutionSettings, pick(read_section(path), ExecutionSettings))


def read_section(path: Path) -> dict[str, Any]:
    """Return the section `execution` of an experiment's resolved configuration."""
    section = read_keys(path).get("execution")
    if not isinstance(section, dict):
        raise UserError(f"{path}: lacks the section execution; start the stage with snakemake")
    return section


def run(main: Callable[[], None]) -> None:
    """Run an entry point and end it with the exit code of its ending.

    0 done; 2 a user's error, in its one line; 75 interrupted with a checkpoint; 130 ended by Ctrl-C
    without one; anything else is a fault, with a traceback. Under MPI every rank may come here with
    the same error: rank 0 speaks at once, the others after a while in which rank 0's exit has
    usually ended them.
    """
    allow_open_files()
    try:
        main()
    except StageInterruptedError as stop:
        if not _rank():
            print(f"interrupted: {stop}", file=sys.stderr, flush=True)
        sys.stderr.flush()
        raise SystemExit(INTERRUPTED) from None
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None
    except Exception as error:
        line = explain(error)
        if line is None:
            with suppress(OSError):
                Attempts.of_this_job().fail(repr(error))
            raise
        if _rank():
            time.sleep(SECONDS_OF_SILENCE)
        with suppress(OSError):  # the disk may be full
            print(f"error: {line}", file=sys.stderr, flush=True)
        with suppress(OSError):
            Attempts.of_this_job().refuse(line)
        raise SystemExit(USER_ERROR) from None


def explain(error: BaseException) -> str | None:
    """Return the line for a user's error, None for a fault of the program."""
    lacks_files = _lacks_files(error.__cause__)
    if isinstance(error, UserError) and not lacks_files:
        return str(error)
    text = str(error.__cause__ if lacks_files else error)
    for advice, numbers in ADVICE.items():
        # Libraries wrap the system's error in their own, so its text is what they share.
        if any(os.strerror(number) in text for number in numbers):
            return f"a file cannot be written or read: {text}; {advice}, then run again"
    return None


def _lacks_files(cause: BaseException | None) -> bool:
    """Return whether an error has a limit of open files for its cause; it is no fault of a file."""
    return any(os.strerror(number) in str(cause) for number in ADVICE[FEWER_FILES])


def _rank() -> int:
    return int(next((os.environ[name] for name in RANKS if name in os.environ), "0"))
