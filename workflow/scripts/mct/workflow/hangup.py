"""What jobs get when the terminal of a workflow goes, as after a dropped ssh."""

import signal

import psutil

SHELLS = ("sh", "bash")
"""Snakemake waits for the shells around its jobs, which end with them."""


def hang_up_jobs() -> None:
    """Send SIGHUP to all processes of the jobs that this Snakemake runs, from now on without it.

    Else a stage would lose what it did since its last checkpoint, or run on alone and its result be
    thrown away by `--rerun-incomplete`.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for process in psutil.Process().children(recursive=True):
        try:
            if process.name() not in SHELLS:
                process.send_signal(signal.SIGHUP)
        except psutil.Error:  # it has ended
            continue
