"""What happens when the terminal of a workflow goes, as after a dropped ssh.

By default Snakemake would die at once: a stage would lose what it did since its last checkpoint, or go
on alone and its result be thrown away by `--rerun-incomplete`; the folder would stay locked.
"""

import signal
from types import FrameType

import psutil

SHELLS = ("sh", "bash")
"""Snakemake waits for the shells around its jobs, which end with them."""


def heed_hangup() -> None:
    """End this process like Ctrl-C when it gets SIGHUP, its jobs first; not under nohup."""
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _end)


def _end(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for process in psutil.Process().children(recursive=True):
        try:
            if process.name() not in SHELLS:
                process.send_signal(signal.SIGHUP)
        except psutil.Error:  # it has ended
            continue
    raise KeyboardInterrupt
