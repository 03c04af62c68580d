"""The last words of a run: a line for each job that failed, or what to type after an interruption.

Snakemake's own messages do not end with the reason of a failure; this comes after them.
"""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mct.stage import entry
from mct.workflow.accounting import SlurmEnd, record_jobs
from mct.workflow.jobs import last_lines

MOST_JOBS = 5
"""So many failed jobs have a line each; the others are counted."""
LINES_OF_LOG, LINES_READ = 8, 200
ERROR, INTERRUPTED = "error: ", "interrupted: "
"""How the line begins that a stage's entry point ends with."""
KILLED = (9, 137)
TRACEBACK = "Traceback (most recent call last):"
SUBMITTED = re.compile(r"^Job (\d+) has been submitted with SLURM jobid (\d+)", re.MULTILINE)


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
        further = f"; {resume}" if resume and line.startswith(INTERRUPTED) else ""
        return f"{line} ({', '.join(facts)}; log: {self.log}){further}"

    @property
    def is_fault(self) -> bool:
        """Whether it failed by itself: what a signal ends has no such line in its log."""
        lines = last_lines(self.log, LINES_READ)
        return self._line.startswith(ERROR) and (self._has_own_line or TRACEBACK in lines)

    @property
    def _reason(self) -> str:
        """What ended it from outside, so that its log does not have the reason."""
        if self.slurm:
            return self.slurm.killed_by
        return self.message  # it was not submitted; a log would be that of an earlier run

    @property
    def _has_own_line(self) -> bool:
        return not self._reason and bool(own_line(last_lines(self.log, LINES_READ)))

    @property
    def _line(self) -> str:
        if self._reason:
            return f"{ERROR}{self._reason}"
        lines = last_lines(self.log, LINES_READ)
        if line := own_line(lines):
            return line
        if self.code in KILLED and TRACEBACK not in lines:
            return f"{ERROR}killed, perhaps for its memory; its last line: {fault(lines) or 'none'}"
        return f"{ERROR}{fault(lines) or 'its log is empty; see the messages above'}"

    def tail(self) -> list[str]:
        """Return what its log has before the line that is shown; nothing if that says all."""
        if self._has_own_line or (self._reason and not self.slurm):
            return []
        lines = [line for line in last_lines(self.log, LINES_READ) if line.strip()]
        shown = [number for number, line in enumerate(lines) if line.strip() in self._line]
        return lines[: shown[-1] if shown else None][-LINES_OF_LOG:]


def own_line(lines: Sequence[str]) -> str:
    """Return the last line of a log that is for its user, or nothing."""
    return next((line for line in reversed(lines) if line.startswith((ERROR, INTERRUPTED))), "")


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
        shown = Path() if Path.cwd() == self.folder else self.folder
        os.chdir(self.folder)
        slurm, log = self._slurm_ends(), self.workflow_log
        text = log.read_text(errors="replace") if log.is_file() else ""
        by_number = {str(end.job): end for end in slurm.values()}
        numbers = dict(SUBMITTED.findall(text))
        failed = []
        for rule, number, name in jobs:
            end = slurm.get(name) or by_number.get(numbers.get(str(number), ""))
            code = end.code if end else exit_code(text, name)
            message = message_of(text, number)
            failed.append(
                FailedJob(rule=rule, log=shown / name, code=code, message=message, slurm=end)
            )
        return failed

    def _slurm_ends(self) -> dict[str, SlurmEnd]:
        """Return how Slurm jobs ended, by their logs; none without Slurm, or on a full disk."""
        try:
            return record_jobs(self.results, self.workflow_log) if shutil.which("sbatch") else {}
        except OSError as error:
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
    ending = r".*?(?:returned non-zero exit status (\d+)|died with <Signals\.\w+: (\d+)>)"
    command = re.escape(f"2> {shlex.quote(log)}")
    found = re.findall(rf"{command}{ending}", workflow_log, re.DOTALL)
    return int(found[-1][0] or found[-1][1]) if found else None


def message_of(workflow_log: str, number: int) -> str:
    """Return what Snakemake said of a failed job, from the text of its log: a refused submission."""
    message = ""
    for block in re.split(r"^Error in ", workflow_log, flags=re.MULTILINE)[1:]:
        head, found, _ = block.partition(f"\n    jobid: {number}\n")
        if found and "\n    jobid: " not in head:
            message = head.partition("\n    message: ")[2].partition("\n    sbatch call:")[0]
    return "" if message == "None" else " ".join(message.split())
