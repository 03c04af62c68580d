"""How a run ends: a line for each job that failed, signals that stop it, what to type to resume it.

Snakemake's own messages do not end with the reason of a failure; these lines come after them.
"""

import os
import re
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import FrameType

import psutil

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
COMMAND = "MCT_COMMAND"
"""The environment variable with the command of a program that starts Snakemake (make)."""
RERUN = "--rerun-incomplete"
LOCKS = Path(".snakemake/locks")
SHELLS = ("sh", "bash")
"""Snakemake waits for the shells around its jobs, which end with them."""


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
            return f"{ERROR}killed, perhaps because of its memory; its last line: {last or 'none'}"
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
    began: float = field(default_factory=time.time)

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


class Interruption:
    """Notes signals that stop the workflow, and passes them on to Snakemake."""

    def __init__(self) -> None:
        self.came = False
        self._is_watching = False
        self._asked = threading.Event()

    def watch_planning(self) -> None:
        """End without a traceback when Ctrl-C comes before the first job."""
        if _is_main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._end)

    def watch_jobs(self) -> None:
        """Note Ctrl-C and SIGTERM from now on; the end of the terminal (SIGHUP) acts as Ctrl-C.

        Signals that are ignored (nohup) still are.
        """
        if not _is_main_thread() or self._is_watching:
            return
        self._is_watching = True
        if signal.getsignal(signal.SIGINT) in (self._end, signal.default_int_handler):
            signal.signal(signal.SIGINT, self._interrupt)
        graceful = signal.getsignal(signal.SIGTERM)
        if callable(graceful):
            threading.Thread(target=self._pass_on, args=[graceful], daemon=True).start()
            signal.signal(signal.SIGTERM, self._ask)
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
            signal.signal(signal.SIGHUP, self._interrupt)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        raise SystemExit(128 + number)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        if number == signal.SIGHUP:
            hang_up_jobs()
        raise KeyboardInterrupt

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        self._asked.set()

    def _pass_on(self, handler: Callable[[int, None], object]) -> None:
        """Call Snakemake's handler of SIGTERM each time it is asked for.

        In a thread: the handler takes a lock, which the main thread may hold when the signal comes.
        """
        while self._asked.wait():
            self._asked.clear()
            handler(signal.SIGTERM, None)


def _is_main_thread() -> bool:
    """Return whether this thread may set handlers of signals."""
    return threading.current_thread() is threading.main_thread()


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


def resume_line(arguments: Sequence[str], folder: Path) -> str:
    """Return what to type to resume a run in a folder that was started with these arguments."""
    command = os.environ.get(COMMAND)
    resume = f"`{command or command_line(arguments, RERUN)}`"
    if any((folder / LOCKS).glob("*")):
        return f"type `{command_line(arguments, '--unlock')}`, then {resume} to resume"
    return f"type {resume} to resume"


def command_line(arguments: Sequence[str], option: str) -> str:
    """Return the command line of this run of Snakemake, with an option more."""
    words = list(arguments)
    if option not in words:
        words.insert(words.index("--") if "--" in words else len(words), option)
    return f"{program()} {shlex.join(words)}"


def program() -> str:
    """Return how this Snakemake is called from a shell."""
    called = Path(sys.argv[0])
    if called.name not in ("snakemake", "__main__.py"):
        return shlex.join([sys.executable, str(called)])
    own = Path(sys.executable).with_name("snakemake")
    if shutil.which("snakemake") == str(own):
        return "snakemake"
    return shlex.quote(str(own)) if own.is_file() else f"{sys.executable} -m snakemake"
