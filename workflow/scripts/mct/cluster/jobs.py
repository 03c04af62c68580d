"""This process as a Slurm job, and the jobs of an experiment.

A job leaves a file `<results>/jobs/<job>-<start>.json` when it starts, so that its rule and its log
are known whatever becomes of it and of the workflow that submitted it.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mct.base.errors import UserError
from mct.base.files import read_json, write_json
from mct.stage.attempts import Attempts
from mct.stage.entry import INTERRUPTED

RUN = "MCT_RUN"
"""The environment variable with the name of the workflow's run that a job belongs to."""
SUBMITTED = "MCT_SUBMITTED"
"""The environment variable that is not empty in jobs that the workflow has submitted."""
RUNNING = ".running"
"""The file in the results' folder: who runs the workflow, and the name of the run."""
ALLOCATION = ("SLURM_", "PMI_", "PMIX_")
"""How variables of a Slurm allocation and of its launcher begin."""
SECONDS_TO_BE_REQUEUED, SECONDS_TO_PASS_ON = 60, 0.2
WORKFLOW_LOGS = Path(".snakemake/log")


@dataclass(frozen=True, kw_only=True)
class Start:
    """The start of a job; a restarted one has several. `rule` is empty where the log's path has it.

    `code`, `refused` (the line of a user's error) and `lines` (the end of the log) say how it ended,
    if the job could still note that.
    """

    job: int
    run: str
    log: str
    ranks: int
    attempt: int
    time: float
    rule: str = ""
    code: int | None = None
    refused: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class SlurmJob:
    """This process's Slurm job; `results` is the folder of its experiment."""

    number: int
    results: Path

    @classmethod
    def of_this_process(cls, results: Path) -> "SlurmJob | None":
        """Return the Slurm job that the workflow submitted for this process, or None.

        An allocation in which a person has started the workflow is that person's.
        """
        number = os.environ.get("SLURM_JOB_ID") if os.environ.get(SUBMITTED) else None
        return cls(int(number), results) if number else None

    def register(self, log: Path, ranks: int, attempt: int) -> Path:
        """Note that the job starts; return the file of the note.

        Raises UserError: the workflow that submitted it was replaced by another: that one has its
        own jobs.
        """
        run = os.environ.get(RUN, "")
        if run and current_run(self.results) not in ("", run):
            raise UserError(
                f"job {self.number} belongs to an earlier run of the workflow and does not start"
            )
        start = Start(
            job=self.number, run=run, log=str(log), ranks=ranks, attempt=attempt, time=time.time()
        )
        note = self.results / f"jobs/{self.number}-{time.time_ns()}.json"
        write_json(note, asdict(start))
        return note

    def run(self, command: Sequence[str], attempts: Attempts) -> int:
        """Run a command and return its exit code.

        If the time limit interrupted it, the job returns to the queue and this does not return. A
        site that does not allow that leaves the rest to the workflow's retries.
        """
        code = run_program(command, {number: number for number in (signal.SIGTERM, signal.SIGINT)})
        stopped_by = attempts.stopped_by() if code else None
        if stopped_by == "SIGUSR1":
            self._requeue()
        return INTERRUPTED if stopped_by else code

    def _requeue(self) -> None:
        command = ["scontrol", "requeue", str(self.number)]
        try:
            subprocess.run(command, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            reason = getattr(error, "stderr", None) or error
            print(f"job {self.number} is not requeued: {reason}", file=sys.stderr)
            return
        print(f"job {self.number} reached its time limit and returns to the queue", flush=True)
        time.sleep(SECONDS_TO_BE_REQUEUED)  # Slurm ends this process


def leave_allocation() -> None:
    """Forget the Slurm allocation that a person works in: mpiexec would start ranks by its srun."""
    if "SLURM_JOB_ID" in os.environ:
        for name in [name for name in os.environ if name.startswith(ALLOCATION)]:
            del os.environ[name]


def note_end(note: Path, code: int, attempts: Attempts, log: Path) -> None:
    """Note next to its start how a job failed: the next attempt empties the log."""
    lines = last_lines(log)
    end = {"code": code, "refused": attempts.refusal(), "lines": lines}
    write_json(note.with_suffix(".end"), end)
    print(f"exit code {code}; the end of {log}:", *lines, sep="\n", flush=True)


def last_lines(path: Path, count: int = 20) -> list[str]:
    """Return the last lines of a log, none if it is not there."""
    return read_log(path).splitlines()[-count:]


def read_log(path: Path) -> str:
    """Return the text of a log, nothing if it cannot be read."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def run_program(
    command: Sequence[str],
    passed: Mapping[signal.Signals, signal.Signals | None],
    prepare: Callable[[], object] = lambda: None,
) -> int:
    """Run a program, pass signals on to it, and return its exit code as a shell counts it.

    `passed` has, for each signal that may come, the one that is sent to the program (once), or None.
    `prepare` is called in the new process. A handler only notes its signal, so that a signal that
    comes before the program runs, or just before the wait for its end, is sent a little later.
    """
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, frame: came.append(number))
        for number in passed
    }
    try:
        process = subprocess.Popen(command, preexec_fn=prepare)
        code = _wait_and_pass_on(process, came, passed)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


def _wait_and_pass_on(
    process: subprocess.Popen,
    came: Sequence[int],
    passed: Mapping[signal.Signals, signal.Signals | None],
) -> int:
    """Return the exit code of a process that gets the signals that came, each kind once."""
    done: set[int] = set()
    while True:
        for number in dict.fromkeys(came):
            sent = passed[signal.Signals(number)]
            if sent and number not in done:
                process.send_signal(sent)
            done.add(number)
        with suppress(subprocess.TimeoutExpired):
            return process.wait(SECONDS_TO_PASS_ON)


def current_run(results: Path) -> str:
    """Return the name of the run that last claimed a results folder, or nothing."""
    try:
        lines = (results / RUNNING).read_text().splitlines()
    except OSError:
        return ""
    return lines[1] if len(lines) > 1 else ""


def read_starts(results: Path) -> list[Start]:
    """Return all starts of an experiment's jobs, oldest first, without notes that are damaged."""
    starts = []
    for path in results.glob("jobs/[0-9]*.json"):
        try:
            end = _read_note(path.with_suffix(".end"))
            starts.append(Start(**{**_read_note(path), **end}))
        except TypeError:  # a key is missing or unknown
            continue
    return sorted(starts, key=lambda start: start.time)


def _read_note(path: Path) -> dict[str, Any]:
    """Return a note of a job; nothing where there is none, or a full disk cut it off."""
    try:
        return read_json(path)
    except (OSError, UserError):
        return {}


def read_submissions(workflow_log: Path, run: str) -> list[Start]:
    """Return the jobs that a workflow's log says were submitted, as if they had noted a start.

    For those that never came to it: killed at once, or cancelled in the queue.
    """
    return [
        Start(
            job=int(job), run=run, log=log, ranks=0, attempt=1, time=0.0,
            rule=Path(log).parts[-3].removeprefix("rule_"),
        )
        for job, log in re.findall(r"with SLURM jobid (\d+) \(log: (.*/rule_.*/.*)\)", read_log(workflow_log))
    ]  # fmt: skip


def find_runs(results: Path, workflow_logs: Path = WORKFLOW_LOGS) -> set[str]:
    """Return the names that jobs of all workflows on a results folder bear, by the workflows' logs.

    A workflow is on the folder that its jobs write to; it may read from others.
    """
    found: set[str] = set()
    written = re.compile(rf"^\s+output: {re.escape(str(results))}/", re.MULTILINE)
    for path in workflow_logs.glob("*.log"):
        text = path.read_text(errors="replace")
        if written.search(text):
            found |= job_names(text)
    return found


def job_names(workflow_log: str) -> set[str]:
    """Return the name that the Slurm plugin gives all jobs of a workflow, from the text of its log."""
    return set(re.findall(r"SLURM run ID: (\S+)", workflow_log))


def cancel_and_wait(names: Iterable[str], seconds: float, *, needs_answer: bool) -> None:
    """Cancel the jobs of these names that wait or run, and wait for their end.

    If Slurm does not answer, this returns, unless it `needs_answer`.

    Raises UserError: a job is still there after `seconds`, or Slurm does not answer.
    """
    deadline = time.monotonic() + seconds
    while (alive := queued(names)) != []:
        if alive is None and not needs_answer:
            return
        if time.monotonic() > deadline:
            raise UserError(
                "Slurm does not say whether jobs of an earlier run are still there; try again"
                if alive is None
                else f"job {alive[0]} of an earlier run does not end; cancel it: scancel {alive[0]}"
            )
        if alive:
            subprocess.run(["scancel", *alive], capture_output=True, check=False)
        time.sleep(1)


def queued(names: Iterable[str], state: str = "") -> list[str] | None:
    """Return the numbers of jobs with these names in Slurm's queue; of a state, else waiting or running.

    None where Slurm does not answer; no jobs where there is no Slurm.
    """
    command = ["squeue", "--noheader", "--me", f"--name={','.join(sorted(names))}"]
    # An array is cancelled by its own number, a task of it requeued by the task's.
    command += ["--format=%A", f"--states={state}"] if state else ["--format=%F"]
    if not names:
        return []
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except FileNotFoundError:
        return []
    except (OSError, subprocess.SubprocessError):
        return None
    return sorted(set(done.stdout.split()))


def srun_command(execution: Mapping[str, Any]) -> list[str]:
    """Return how srun is called: offering the start that ranks expect, or the site's default."""
    mpi = execution.get("srun_mpi")
    return ["srun", f"--mpi={mpi}"] if mpi else ["srun"]
