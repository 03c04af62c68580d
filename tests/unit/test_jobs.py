"""Jobs of an experiment, found by what they noted and by the workflows' logs."""

import os
import signal
import sys
from pathlib import Path

import pytest

from mct.base.errors import UserError
from mct.cluster import jobs
from mct.cluster.jobs import SlurmJob, Start, run_program
from mct.experiment.experiment import Experiment
from mct.stage.attempts import Attempts

LOG = """SLURM run ID: 0b4c-11
    output: results/tiny/models/a.safetensors
Job 3 has been submitted with SLURM jobid 41 (log: /x/slurm_logs/rule_train_baseline/tiny_a_0_2/41.log).
Submitted array job with Snakemake IDs 1,2 and SLURM job ID 37. The individual task IDs are 1-2.
"""


def test_a_job_notes_each_of_its_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv(jobs.SUBMITTED, "yes")
    monkeypatch.delenv(jobs.RUN, raising=False)
    job = SlurmJob.of_this_process(tmp_path)
    assert job is not None
    for attempt in (1, 2):
        job.register(Path("logs/x.log"), ranks=4, attempt=attempt)
    starts = jobs.read_starts(tmp_path)
    assert [(start.job, start.ranks, start.attempt) for start in starts] == [(12, 4, 1), (12, 4, 2)]


def test_a_process_outside_slurm_is_no_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(jobs.SUBMITTED, "yes")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert SlurmJob.of_this_process(tmp_path) is None


def test_an_allocation_that_the_workflow_did_not_submit_is_no_job_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv(jobs.SUBMITTED, "")
    assert SlurmJob.of_this_process(tmp_path) is None


def test_a_job_of_an_earlier_run_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / jobs.RUNNING).write_text("process 1 on a\nnew\n")
    job = SlurmJob(12, tmp_path)
    monkeypatch.setenv(jobs.RUN, "old")
    with pytest.raises(UserError, match="job 12 belongs to an earlier run"):
        job.register(Path("logs/x.log"), ranks=4, attempt=1)
    monkeypatch.setenv(jobs.RUN, "new")
    job.register(Path("logs/x.log"), ranks=4, attempt=1)
    assert len(jobs.read_starts(tmp_path)) == 1


def test_runs_are_found_in_the_logs_of_the_experiments_workflows(tmp_path: Path):
    (tmp_path / "1.log").write_text(LOG)
    (tmp_path / "2.log").write_text(LOG.replace("tiny", "other").replace("0b4c", "ffff"))
    assert jobs.find_runs(Path("results/tiny"), tmp_path) == {"0b4c-11"}
    [start] = jobs.read_submissions(tmp_path / "1.log", run="r")
    assert start == Start(
        job=41, run="r", log="/x/slurm_logs/rule_train_baseline/tiny_a_0_2/41.log",
        ranks=0, attempt=1, time=0.0, rule="train_baseline",
    )  # fmt: skip
    assert jobs.read_submissions(tmp_path / "none.log", run="r") == []


@pytest.mark.parametrize("results", ["out", "./out", "out/", "x/../out//"])
def test_runs_are_found_however_the_results_folder_is_spelled(tmp_path: Path, results: str):
    folder = Experiment({"results": results}).folder
    (tmp_path / "1.log").write_text(LOG.replace("results/tiny", folder))
    assert folder == "out/digits"
    assert jobs.find_runs(Path(folder), tmp_path) == {"0b4c-11"}


def test_a_workflow_that_only_reads_from_an_experiment_is_not_its_run(tmp_path: Path):
    reading = LOG.replace("tiny", "other").replace(
        "    output:", "    input: results/tiny/models/a.safetensors\n    output:"
    )
    (tmp_path / "1.log").write_text(reading + "    reason: before: results/tiny/models/a\n")
    assert jobs.find_runs(Path("results/tiny"), tmp_path) == set()
    assert jobs.find_runs(Path("results/other"), tmp_path) == {"0b4c-11"}


def test_a_slurm_that_does_not_answer_is_not_an_empty_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert jobs.queued({"0b4c"}) == []  # no Slurm at all
    squeue = tmp_path / "squeue"
    squeue.write_text("#!/bin/sh\nexit 1\n")
    squeue.chmod(0o755)
    assert jobs.queued({"0b4c"}) is None
    with pytest.raises(UserError, match="Slurm does not say"):
        jobs.cancel_and_wait({"0b4c"}, 0, needs_answer=True)
    jobs.cancel_and_wait({"0b4c"}, 0, needs_answer=False)
    jobs.cancel_and_wait(set(), 0, needs_answer=True)


@pytest.mark.parametrize(
    ("stopped_by", "code", "expected"),
    [(None, 0, 0), (None, 3, 3), ("SIGTERM", 9, 75), ("SIGUSR1", 9, 75), ("SIGTERM", 0, 0)],
)
def test_ranks_that_left_a_checkpoint_end_their_job_with_75(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stopped_by: str | None,
    code: int,
    expected: int,
):
    """Also where Slurm cannot requeue the job: here there is no scontrol."""
    monkeypatch.setenv("PATH", str(tmp_path))
    attempts = Attempts(tmp_path / "job.attempts")
    attempts.begin(1)
    if stopped_by:
        attempts.interrupt(stopped_by)
    job = SlurmJob(12, tmp_path)
    command = [sys.executable, "-c", f"raise SystemExit({code})"]
    assert job.run(command, attempts) == expected


def test_a_killed_program_ends_its_job_as_a_shell_says(tmp_path: Path):
    kill = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    assert SlurmJob(12, tmp_path).run(kill, Attempts(None)) == 137


SIGNALLED = """
import os, signal, sys, time
took = []
for number in (signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, lambda number, frame: took.append(number))
for number in sys.argv[1:]:
    os.kill(os.getppid(), int(number))
deadline = time.monotonic() + 60
while len(took) < 2 and time.monotonic() < deadline:
    time.sleep(0.01)
raise SystemExit(sum(took))
"""


def test_each_signal_is_passed_on_also_one_that_follows_another_of_its_kind():
    """SIGHUP is passed on as SIGTERM, which may follow it."""
    passed = {
        signal.SIGHUP: signal.SIGTERM, signal.SIGTERM: signal.SIGUSR1, signal.SIGINT: None,
    }  # fmt: skip
    before = {number: signal.getsignal(number) for number in passed}
    sent = [signal.SIGINT, signal.SIGHUP, signal.SIGHUP, signal.SIGTERM]
    command = [sys.executable, "-c", SIGNALLED, *(str(int(number)) for number in sent)]
    assert run_program(command, passed) == signal.SIGTERM + signal.SIGUSR1
    assert {number: signal.getsignal(number) for number in passed} == before


def test_a_signal_that_comes_while_the_program_starts_reaches_it():
    """As the process of the program begins, before there is a handler that would pass it on."""
    code = run_program(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        {signal.SIGTERM: signal.SIGTERM},
        lambda: os.kill(os.getppid(), signal.SIGTERM),
    )
    assert code == 128 + signal.SIGTERM


def test_a_failed_job_notes_how_it_ended(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    log, attempts = tmp_path / "job.log", Attempts(tmp_path / "job.attempts")
    log.write_text("one\ntwo\n")
    note = SlurmJob(12, tmp_path).register(log, ranks=2, attempt=1)
    attempts.refuse("no such file")
    jobs.note_end(note, 2, attempts, log)
    [start] = jobs.read_starts(tmp_path)
    assert (start.code, start.refused, list(start.lines)) == (2, "no such file", ["one", "two"])
    assert capsys.readouterr().out == f"exit code 2; the end of {log}:\none\ntwo\n"
