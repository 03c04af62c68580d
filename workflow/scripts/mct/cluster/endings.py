"""The last words of a run: a line for each job that failed, or what to type after an interruption.

Snakemake's own messages do not end with the reason of a failure; this comes after them.
"""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mct.cluster.accounting import SlurmEnd, record_jobs
from mct.cluster.jobs import last_lines, read_log
from mct.stage import entry

MOST_JOBS = 5
"""So many failed jobs have a line each; the others are counted."""
LINES_OF_LOG, LINES_READ = 8, 200
ERROR, STOPPED = "error: ", "interrupted: "
"""How the line begins that a stage's entry point ends with."""
KILLED = (9, 137)
TRACEBACK = "Traceback (most recent call last):"
SUBMISSION = re.compile(r"^Job (\d+) has been submitted with SLURM jobid (\d+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class FailedJob:
    """A job that failed: its rule and log, what Snakemake said of it, and how it ended."""

    rule: str
    log: Path
    code: int | None = None
    message: str = ""
    slurm: SlurmEnd | None = None

    def describe(self, resume: str = "") -> str:
        """Return its own line, Slurm's reason, or the last line of its log, and where to read more."""
        line = self._line
        code = [f"exit code {self.code}"] if self.code and not self._has_own_line else []
        facts = [self.rule, *code, *([self.slurm.name] if self.slurm else [])]
        further = f"; {resume}" if resume and line.startswith(STOPPED) else ""
        return f"{line} ({', '.join(facts)}; log: {self.log}){further}"

    @property
    def is_fault(self) -> bool:
        """Whether it failed by itself: what a signal ends has no such line in its log."""
        return self._line.startswith(ERROR) and (self._has_own_line or TRACEBACK in self._lines)

    @cached_property
    def _lines(self) -> list[str]:
        return last_lines(self.log, LINES_READ)

    @property
    def _reason(self) -> str:
        """What ended it from outside, so that its log does not have the reason."""
        if self.slurm:
            return self.slurm.killed_by
        return self.message  # it was not submitted; a log would be that of an earlier run

    @property
    def _has_own_line(self) -> bool:
        return not self._reason and bool(own_line(self._lines))

    @property
    def _line(self) -> str:
        if self._reason:
            return f"{ERROR}{self._reason}"
        if line := own_line(self._lines):
            return line
        last = fault(self._lines)
        if self.code in KILLED and TRACEBACK not in self._lines:
            return f"{ERROR}killed, perhaps for its memory; its last line: {last or 'none'}"
        return f"{ERROR}{last or 'its log is empty; see the messages above'}"

    def tail(self) -> list[str]:
        """Return what its log has before the line that is shown; nothing if that says all."""
        if self._has_own_line or (self._reason and not self.slurm):
            return []
        lines = [line for line in self._lines if line.strip()]
        shown = [number for number, line in enumerate(lines) if line.strip() in self._line]
        return lines[: shown[-1] if shown else None][-LINES_OF_LOG:]


def own_line(lines: Sequence[str]) -> str:
    """Return the last line of a log that is for its user, or nothing."""
    return next((line for line in reversed(lines) if line.startswith((ERROR, STOPPED))), "")


def fault(lines: Sequence[str]) -> str:
    """Return the line of the last exception in a log, or else its last line."""
    starts = [number for number, line in enumerate(lines) if line == TRACEBACK]
    after = lines[starts[-1] + 1 :] if starts else []
    exceptions = [line for line in after if line.strip() and not line[0].isspace()]
    return next((line.strip() for line in [*exceptions, *lines[::-1]] if line.strip()), "")


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of Snakemake: the folder that it runs in, its experiment's results, and its log."""

    folder: Path
    results: Path
    workflow_log: Path

    def end(self, jobs: Iterable[tuple[str, int, str]]) -> list[FailedJob]:
        """Write the table of Slurm jobs; return what is known of failed jobs.

        These are given by rule, number in the workflow, and log. The process leaves for the run's
        folder: Snakemake has gone back to where it was started.
        """
        shown, slurm = self._enter(), self._slurm_ends()
        text = read_log(self.workflow_log)
        by_number = {str(end.job): end for end in slurm.values()}
        numbers = dict(SUBMISSION.findall(text))
        failed = []
        for rule, number, name in jobs:
            end = slurm.get(name) or by_number.get(numbers.get(str(number), ""))
            code = end.code if end else exit_code(text, name)
            message = message_of(text, number)
            failed.append(
                FailedJob(rule=rule, log=shown / name, code=code, message=message, slurm=end)
            )
        return failed

    def _enter(self) -> Path:
        """Go to the run's folder; return what leads to it from where Snakemake was started."""
        with suppress(OSError):  # a folder that is gone
            if Path.cwd() == self.folder:
                return Path()
        with suppress(OSError):
            os.chdir(self.folder)
        return self.folder

    def _slurm_ends(self) -> dict[str, SlurmEnd]:
        """Return how Slurm jobs ended, by their logs; none without Slurm, or on a full disk.

        Slurm's answer may have another form than expected.
        """
        if not (shutil.which("sbatch") and self.folder.is_dir()):
            return {}
        try:
            return record_jobs(self.results, self.workflow_log)
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            print(f"warning: jobs.tsv: {entry.explain(error) or error}", file=sys.stderr)
            return {}


def last_words(failed: Sequence[FailedJob], resume: str, *, with_logs: bool) -> Iterator[str]:
    """Yield a line for each failed job, after the end of its log where that is asked for."""
    if len(failed) > MOST_JOBS:
        yield f"{len(failed)} jobs failed; the last {MOST_JOBS}:"
    for job in failed[-MOST_JOBS:]:
        tail = job.tail() if with_logs else []
        if tail:
            yield f"{job.log}:"
            yield from (f"    {line}" for line in tail)
        yield job.describe(resume)


def exit_code(workflow_log: str, log: str) -> int | None:
    """Return the exit code of a job's last attempt, from the text of Snakemake's log."""
    ending = r"[^\n]*?(?:returned non-zero exit status (\d+)|died with <Signals\.\w+: (\d+)>)"
    command = re.escape(f"2> {shlex.quote(log)}")
    found = re.findall(rf"{command}{ending}", workflow_log)
    return int(found[-1][0] or found[-1][1]) if found else None


def message_of(workflow_log: str, number: int) -> str:
    """Return what Snakemake said of a failed job, from the text of its log: a refused submission."""
    message = ""
    for block in re.split(r"^Error in ", workflow_log, flags=re.MULTILINE)[1:]:
        head, found, _ = block.partition(f"\n    jobid: {number}\n")
        if found and "\n    jobid: " not in head:
            message = head.partition("\n    message: ")[2].partition("\n    sbatch call:")[0]
    return "" if message == "None" else " ".join(message.split())
