"""What a running stage tells a person: a line per epoch, with speed and time left."""

import sys
from collections.abc import Mapping
from datetime import timedelta
from time import perf_counter


class Progress:
    """Counts the samples of a stage and reports them; silent unless `speaks`."""

    def __init__(self, stage: str, *, total_samples: int, speaks: bool = True) -> None:
        self._stage, self._total, self._speaks = stage, total_samples, speaks
        self._seen = self._first = 0
        self._began = perf_counter()
        self._waited_seconds = 0.0

    def resume(self, step: int, samples: int) -> None:
        """Note that the stage goes on after `step` steps, which saw `samples` samples."""
        self._seen = self._first = samples
        if step:
            self.note(f"goes on after step {step} ({samples:,} samples)")

    def count(self, samples: int, waited_seconds: float) -> None:
        """Note a global batch and the seconds that were waited for batches since the start."""
        self._seen += samples
        self._waited_seconds = waited_seconds

    def report(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Print how far the stage is and the figures of the epoch that ends."""
        if not self._speaks:
            return
        rate = self.samples_per_second()
        named = ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
        left = timedelta(seconds=round((self._total - self._seen) / rate)) if rate else "unknown"
        print(
            f"{self._stage}: epoch {epoch + 1}, {self._seen:,} of {self._total:,} samples, "
            f"{rate:,.0f} samples/s, {left} left; {named}",
            file=sys.stderr,
            flush=True,
        )

    def note(self, message: str) -> None:
        """Print one line about the stage."""
        if self._speaks:
            print(f"{self._stage}: {message}", file=sys.stderr, flush=True)

    def samples_per_second(self) -> float:
        """Return the mean speed since the start, all ranks of one model together."""
        return (self._seen - self._first) / max(perf_counter() - self._began, 1e-9)

    def summary(self) -> dict[str, float]:
        """Return seconds, speed and waiting, for the record beside the result."""
        return {
            "training_seconds": perf_counter() - self._began,
            "samples_per_second": self.samples_per_second(),
            "waited_seconds": self._waited_seconds,
        }
