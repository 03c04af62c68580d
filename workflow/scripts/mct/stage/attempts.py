"""What earlier attempts of a job came to, in a file that Snakemake does not know.

Snakemake repeats a failed job (`--retries`). A user's error must not be repeated, nor a fault that
strikes again and again without progress. The file lies next to the job's log and lives from the
first attempt to the last.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

from mct.base.errors import UserError

VARIABLE = "MCT_ATTEMPTS"


class Attempts:
    """The attempts of one job; without a file (a program started by hand) nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    @classmethod
    def of_this_job(cls) -> "Attempts":
        """Return the attempts that the launcher has named in the environment."""
        name = os.environ.get(VARIABLE)
        return cls(Path(name) if name else None)

    def begin(self, attempt: int) -> None:
        """Begin attempt 1, 2, ...; one that was killed, for its time or memory, left no note of its end.

        UserError if an earlier one ended in a user's error, or the last two before their first step.
        """
        if self._path is None:
            return
        if attempt == 1:
            self._path.unlink(missing_ok=True)
        if refused := self.refusal():
            raise UserError(f"{refused} (not tried again)")
        kinds = [kind for kind, _ in groupby(next(iter(entry)) for entry in self._read())]
        if kinds[-4:] == ["begun", "failed"] * 2:  # each rank of a job may have noted a fault
            raise UserError(
                "two attempts failed before their first step; see the log for the fault"
            )
        self._append({"begun": attempt})

    def refuse(self, line: str) -> None:
        """Note a user's error, which ends all attempts."""
        self._append({"refused": line})

    def fail(self, line: str) -> None:
        """Note a fault that ended the program, unless a signal did: then ranks may lose each other."""
        if not self.stopped_by():
            self._append({"failed": line})

    def start_at(self, step: int) -> None:
        """Note the first step; UserError if two attempts, not stopped by a signal, got no further."""
        entries = self._read()
        starts = [
            entry["step"]
            for entry, following in zip(entries, [*entries[1:], {}], strict=False)
            if "step" in entry and "interrupted" not in following
        ]
        if starts[-2:] == [step, step]:
            raise UserError(
                f"two attempts got no further than step {step}; see the log for the fault"
            )
        self._append({"step": step})

    def interrupt(self, signal_name: str) -> None:
        """Note by which signal the stage was stopped, its checkpoint being written."""
        self._append({"interrupted": signal_name})

    def refusal(self) -> str:
        """Return the line of the user's error that ended all attempts, or nothing."""
        return next((entry["refused"] for entry in self._read() if "refused" in entry), "")

    def stopped_by(self) -> str | None:
        """Return the signal that stopped the last attempt: SIGUSR1 is Slurm's, SIGTERM a person's."""
        return next(iter(self._read()[-1:]), {}).get("interrupted")

    def ending(self) -> str:
        """Return how the last attempt ended, in words; nothing if it runs, went well, or was killed."""
        last = next(iter(self._read()[-1:]), {})
        words = {"refused": "failed: {}", "failed": "failed: {}", "interrupted": "stopped by {}"}
        return next((words[kind].format(what) for kind, what in last.items() if kind in words), "")

    def _read(self) -> list[dict[str, Any]]:
        if self._path is None or not self._path.is_file():
            return []
        entries = []
        for line in self._path.read_text().splitlines():
            with suppress(ValueError):  # half a line, from a full disk
                entries.append(json.loads(line))
        return entries

    def _append(self, entry: Mapping[str, Any]) -> None:
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps(dict(entry)) + "\n")
