"""Jobs that were preempted for good go back to their queue.

Where a site preempts by cancelling, Slurm's state PREEMPTED is final, but the Slurm plugin takes it
for running and would wait for ever. A thread of the workflow requeues such jobs while Slurm still
knows them.
"""

import subprocess
import threading
from pathlib import Path

from mct.cluster.jobs import read_starts

SECONDS_BETWEEN_LOOKS = 20.0


def follow_preemption(results: Path, run: str) -> None:
    """Requeue, from now on and in a thread, this run's jobs that were preempted for good."""

    def watch() -> None:
        ended = threading.Event()
        while not ended.wait(SECONDS_BETWEEN_LOOKS):
            own = {str(start.job) for start in read_starts(results) if start.run == run}
            for job in own & preempted():
                subprocess.run(["scontrol", "requeue", job], capture_output=True, check=False)

    threading.Thread(target=watch, name="preemption", daemon=True).start()


def preempted() -> set[str]:
    """Return the jobs of this user that Slurm holds for preempted."""
    command = ["squeue", "--noheader", "--me", "--states=PREEMPTED", "--format=%A"]
    try:
        return set(
            subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        )
    except (OSError, subprocess.CalledProcessError):
        return set()
