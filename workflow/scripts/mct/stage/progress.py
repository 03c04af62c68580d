"""What a running stage tells a person: a line per epoch, and a file for `make status`."""

import errno
import os
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from time import perf_counter

from mct.base.files import write_json
from mct.base.partition import GlobalBatch

FILE = "progress.json"
SECONDS_BETWEEN_FILES = 2.0
SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Counts the samples of a stage and reports them; silent without `folder`.

    The folder is that of the stage's checkpoints. The log (stderr) has a line for every epoch,
    stdout one now and then: the console of a local run, the job's file in Slurm.
    """

    def __init__(self, stage: str, *, folder: Path | None = None) -> None:
        self.stage, self._folder = stage, folder
        self._total = self._seen = self._first = self._epoch = 0
        self._began = perf_counter()
        self._steps, self._waited_seconds = 0, 0.0
        self._epochs: list[dict[str, float]] = []
        self._written = self._printed = -SECONDS_BETWEEN_LINES

    def begin(self, total_samples: int, *, step: int = 0, samples: int = 0) -> None:
        """Note that the stage sees `total_samples`, `samples` of them in `step` steps made before."""
        self._total, self._seen, self._first = total_samples, samples, samples
        self._began = perf_counter()
        if step:
            self.note(f"goes on after step {step} ({samples:,} samples)")

    def count(self, batch: GlobalBatch, waited_seconds: float) -> None:
        """Note a global batch and the seconds that were waited for batches since the start."""
        self._seen, self._epoch = self._seen + batch.size, batch.epoch
        self._steps, self._waited_seconds = self._steps + 1, waited_seconds
        now = perf_counter()
        if self._folder and now - self._written >= SECONDS_BETWEEN_FILES:
            self._written = now
            write_json(self._folder / FILE, self._state())

    def _state(self) -> dict[str, object]:
        return {
            "stage": self.stage,
            "epoch": self._epoch + 1,
            "samples": self._seen,
            "total_samples": self._total,
            "samples_per_second": self.samples_per_second(),
            "seconds_left": self.seconds_left(),
            "slurm_job": os.environ.get("SLURM_JOB_ID", ""),
            "updated": time.time(),
        }

    def report(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Print how far the stage is, the figures of the epoch that ends and what it waited."""
        waited = self._end_epoch(epoch)
        named = ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
        line = describe(self._state() | {"epoch": epoch + 1})
        if self._folder:
            named += f"{', ' if named else ''}waited {1e3 * waited:.3g} ms a step for batches"
            print(f"{line}; {named}", file=sys.stderr, flush=True)
        now = perf_counter()
        if self._folder and now - self._printed >= SECONDS_BETWEEN_LINES:
            self._printed = now
            tell(line)

    def _end_epoch(self, epoch: int) -> float:
        """Note the epoch's steps and times; return the seconds waited for batches, a step."""
        now = {
            "steps": self._steps,
            "seconds": perf_counter() - self._began,
            "waited_seconds": self._waited_seconds,
        }
        own = {name: so_far - sum(e[name] for e in self._epochs) for name, so_far in now.items()}
        self._epochs.append({"epoch": epoch + 1, **own})
        return own["waited_seconds"] / max(own["steps"], 1)

    def note(self, message: str) -> None:
        """Print one line about the stage to the log."""
        if self._folder:
            print(f"{self.stage}: {message}", file=sys.stderr, flush=True)

    def samples_per_second(self) -> float:
        """Return the mean speed since the start, all ranks of one model together."""
        return (self._seen - self._first) / max(perf_counter() - self._began, 1e-9)

    def seconds_left(self) -> float | None:
        """Return the time that the rest takes at this speed; None before the first sample."""
        rate = self.samples_per_second()
        return (self._total - self._seen) / rate if rate else None

    def summary(self) -> dict[str, object]:
        """Return seconds, speed and waiting since the (last) start, for the record of the result."""
        return {
            "training_seconds": perf_counter() - self._began,
            "samples_per_second": self.samples_per_second(),
            "waited_seconds": self._waited_seconds,
            "waited_seconds_per_step": self._waited_seconds / max(self._steps, 1),
            "epochs": self._epochs,
        }


def describe(state: Mapping[str, object]) -> str:
    """Return the line of a stage's state: epoch, samples, speed and time left."""
    left = state["seconds_left"]
    text = str(timedelta(seconds=round(left))) if isinstance(left, int | float) else "unknown"
    return (
        f"{state['stage']}: epoch {state['epoch']}, {state['samples']:,} of "
        f"{state['total_samples']:,} samples, {state['samples_per_second']:,.0f} samples/s, {text} left"
    )


def tell(line: str) -> None:
    """Print to the console, no more once it is gone: `| tee` after Ctrl-C, a terminal that was closed."""
    try:
        print(line, flush=True)
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
