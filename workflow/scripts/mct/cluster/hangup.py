"""Forward SIGHUP to jobs when the terminal closes, as after a dropped ssh."""

import signal

import psutil

SHELLS = ("sh", "bash")
"""Snakemake waits for the shells around its jobs, which end with them."""


def hang_up_jobs() -> None:
    """Send SIGHUP to all processes of the jobs that this Snakemake runs, from now on without it.

    Otherwise a stage would lose its work since the last checkpoint, or an orphan would keep running and
    `--rerun-incomplete` would discard its result.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for process in psutil.Process().children(recursive=True):
        try:
            if process.name() not in SHELLS:
                process.send_signal(signal.SIGHUP)
        except psutil.Error:  # it has ended
            continue
