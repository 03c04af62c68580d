"""Jobs that were preempted for good go back to their queue.

Where a site preempts by cancelling, Slurm's state PREEMPTED is final, but the Slurm plugin takes it
for running and would wait for ever. A thread of the workflow requeues such jobs while Slurm still
knows them.
"""

import subprocess
import threading
from contextlib import suppress
from pathlib import Path

from mct.cluster.jobs import job_names, queued

SECONDS_BETWEEN_LOOKS = 20.0


def follow_preemption(workflow_log: Path) -> None:
    """Requeue, from now on and in a thread, jobs of this workflow that were preempted for good."""

    def watch() -> None:
        ended = threading.Event()
        while not ended.wait(SECONDS_BETWEEN_LOOKS):
            with suppress(OSError):
                requeue_preempted(workflow_log.read_text(errors="replace"))

    threading.Thread(target=watch, name="preemption", daemon=True).start()


def requeue_preempted(workflow_log: str) -> None:
    """Requeue the preempted jobs of the workflow with this log."""
    for job in queued(job_names(workflow_log), "PREEMPTED") or []:
        subprocess.run(["scontrol", "requeue", job], capture_output=True, check=False)
