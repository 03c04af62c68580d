"""The folder of an experiment's results: what it may be, and one workflow at a time."""

import fcntl
import os
import platform
import sys
from pathlib import Path
from typing import IO
from uuid import uuid4

from mct.base.errors import UserError
from mct.workflow.jobs import RUN

THIS_RUN = uuid4().hex
"""The name of this process's run; as a module of another workflow one process has several experiments."""


def check_results(path: Path) -> None:
    """Raise UserError where results, or a folder above them, cannot be a folder."""
    if path.exists() and not path.is_dir():
        raise UserError(f"results: expected a folder, got the file {path}")
    if path.is_symlink() and not path.exists():
        raise UserError(
            f"results: {path} is a link to {path.readlink()}, which is not there; make that "
            "folder, or remove the link"
        )


def claim(lock: IO[str], folder: Path) -> None:
    """Lock a results folder for this process and name its run.

    Jobs find the name in their environment; those of an earlier run then refuse to start.

    Raises
    ------
    UserError
        Another process holds the folder.
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        raise UserError(
            f"results: another workflow is running on {folder} ({lock.readline().strip()}); "
            "wait for it, or take another `experiment`"
        ) from None
    except OSError as error:
        print(
            f"warning: results: {folder} has no locks ({error.strerror}): a second workflow "
            "started elsewhere will not be refused and will overwrite these results",
            file=sys.stderr,
        )
    os.environ[RUN] = THIS_RUN
    lock.truncate(0)
    lock.write(f"process {os.getpid()} on {platform.node()}\n{THIS_RUN}\n")
    lock.flush()
    os.fsync(lock.fileno())
