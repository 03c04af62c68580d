"""The folder of an experiment's results: one workflow at a time."""

import fcntl
import os
import platform
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

from mct.base.errors import UserError
from mct.cluster.jobs import RUN, RUNNING, cancel_and_wait, find_runs, job_names, queued
from mct.experiment.experiment import Experiment

THIS_RUN = uuid4().hex
"""The name of this process's run; as a module of another workflow one process has several experiments."""
LOCKS: list[IO[str]] = []
"""What this process has locked; a lock ends with its file."""
SECONDS_TO_CANCEL = 90.0
SECONDS_BETWEEN_LOOKS = 20.0


def begin(
    experiment: Experiment, forced: Iterable[str], workflow_log: Path, *, on_cluster: bool
) -> None:
    """Claim an experiment's results for this process and write down what its jobs need.

    The folders of checkpoints of `forced` trainings are removed, so that those start afresh.

    Raises UserError: the folder cannot be written, or another workflow is running on it.
    """
    folder = Path(experiment.folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / RUNNING).open("a+")
        LOCKS.append(lock)
        claim(lock, folder)
        cancel_and_wait(find_runs(folder), SECONDS_TO_CANCEL, needs_answer=on_cluster)
        follow_preemption(workflow_log)
        experiment.write_down()
    except OSError as error:
        raise UserError(f"results: {folder} cannot be written: {error.strerror}") from error
    for checkpoints in filter(os.path.isdir, forced):
        shutil.rmtree(checkpoints)


def claim(lock: IO[str], folder: Path) -> None:
    """Lock a results folder for this process and name its run.

    Jobs find the name in their environment; jobs of an earlier run then refuse to start.

    Raises UserError: another process holds the folder.
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        raise UserError(
            f"results: another workflow is running on {folder} ({lock.readline().strip()}); "
            "wait for it, or choose another name in `experiment`"
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


def follow_preemption(workflow_log: Path) -> None:
    """Requeue, from now on and in a thread, jobs of this workflow that were preempted for good.

    Where a site preempts by cancelling, Slurm's state PREEMPTED is final, but the Slurm plugin takes
    it for running and would wait for ever.
    """

    def watch() -> None:
        ended = threading.Event()
        while not ended.wait(SECONDS_BETWEEN_LOOKS):
            with suppress(OSError):
                names = job_names(workflow_log.read_text(errors="replace"))
                for job in queued(names, "PREEMPTED") or []:
                    subprocess.run(["scontrol", "requeue", job], capture_output=True, check=False)

    threading.Thread(target=watch, name="preemption", daemon=True).start()
