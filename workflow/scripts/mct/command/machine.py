"""What there is to compute with: cores, memory, GPUs and, where there are any, Slurm's queues."""

import os
import shutil
import subprocess
from typing import NamedTuple


class Machine(NamedTuple):
    """Cores of this process, gigabytes of memory, names of GPUs and of queues."""

    cores: int
    gigabytes: float
    gpus: list[str]
    queues: list[str]

    def describe(self) -> str:
        """Return the machine in words."""
        gpus = f"{len(self.gpus)} GPU ({self.gpus[0]})" if self.gpus else "no GPU"
        queues = f", Slurm's queues {', '.join(self.queues)}" if self.queues else ""
        return f"{self.cores} cores, {self.gigabytes:.0f} GB of memory, {gpus}{queues}"


def look() -> Machine:
    """Return this machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    gpus = _lines("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    queues = _lines("sinfo", "--noheader", "--format=%R")
    return Machine(len(os.sched_getaffinity(0)), memory, gpus, list(dict.fromkeys(queues)))


def _lines(*command: str) -> list[str]:
    """Return the lines that a program prints; none where it is missing or fails."""
    if not shutil.which(command[0]):
        return []
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]
