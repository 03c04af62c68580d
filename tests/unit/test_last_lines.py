"""The last words of a run, from the logs of its failed jobs."""

import os
from pathlib import Path

import pytest

from mct.cluster.accounting import SlurmEnd
from mct.cluster.endings import FailedJob, Run, exit_code, last_words, resume_line
from mct.cluster.jobs import SlurmJob

RESUME = "type `snakemake` to resume"
TRACEBACK = """epoch 1
Traceback (most recent call last):
  File "x.py", line 1, in main
ValueError: of several
  lines
Abort(1) on node 0
"""
REFUSED = """Error in rule b:
    message: None
    jobid: 8
Error in rule a:
    message: SLURM sbatch failed. The error message was 'no such
account'.
    sbatch call:
        sbatch --parsable
    jobid: 7
"""


def job(folder: Path, text: str, rule: str = "train", **facts) -> FailedJob:
    """Return a failed job whose log has a text."""
    log = folder / f"{rule}.log"
    log.write_text(text)
    return FailedJob(rule=rule, log=log, **facts)


def words(*jobs: FailedJob, with_logs: bool = True) -> list[str]:
    return list(last_words(jobs, RESUME, with_logs=with_logs))


def test_a_users_error_is_its_line_and_where_it_is_from(tmp_path: Path):
    failed = job(tmp_path, "1 of 2\nerror: no such file: x\nrank 1 ends too\n", code=2)
    assert words(failed) == [f"error: no such file: x (train; log: {failed.log})"]


def test_a_fault_has_its_rule_exit_code_and_log_and_the_line_of_its_exception(tmp_path: Path):
    failed = job(tmp_path, TRACEBACK, code=1)
    *tail, line = words(failed)
    assert line == f"error: ValueError: of several (train, exit code 1; log: {failed.log})"
    assert tail[0] == f"{failed.log}:"
    assert tail[1:] == [f"    {text}" for text in TRACEBACK.splitlines()[:3]]
    assert words(failed, with_logs=False) == [line]


def test_what_slurm_did_is_the_reason(tmp_path: Path):
    end = SlurmEnd(job=7, queue="q", killed_by="time limit of 00:02:00", code=None)
    *tail, line = words(job(tmp_path, "error: earlier\nepoch 3\n", slurm=end))
    assert line.startswith("error: time limit of 00:02:00 (train, job 7, q; log: ")
    assert tail[1:] == ["    error: earlier", "    epoch 3"]


def test_a_job_that_was_not_submitted_has_only_the_log_of_an_earlier_run(tmp_path: Path):
    failed = job(tmp_path, TRACEBACK, message="sbatch failed")
    assert words(failed) == [f"error: sbatch failed (train; log: {failed.log})"]


def test_a_fault_whose_ranks_were_killed_is_a_fault(tmp_path: Path):
    """srun kills the ranks that are left, and its exit code says that."""
    assert words(job(tmp_path, TRACEBACK, code=137))[-1].startswith("error: ValueError: of several")


def test_a_job_that_left_a_checkpoint_says_how_to_resume(tmp_path: Path):
    failed = job(tmp_path, "interrupted: stopped by a signal after step 4\nAbort(75)\n", code=75)
    [line] = words(failed)
    assert line.startswith("interrupted: stopped by a signal after step 4 (train; log: ")
    assert line.endswith(f"; {RESUME}")
    assert not failed.is_fault


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, "error: its log is empty; see the messages above (train; log: "),
        ({"message": "sbatch failed"}, "error: sbatch failed (train; log: "),
        (
            {"code": 137},
            "error: killed, perhaps because of its memory; its last line: none (train, exit",
        ),
    ],
)
def test_a_job_without_a_log_has_what_else_is_known(tmp_path: Path, facts, expected: str):
    [line] = words(job(tmp_path, "", **facts))
    assert line.startswith(expected)


def test_many_failed_jobs_are_counted_and_the_last_line_is_that_of_a_job(tmp_path: Path):
    lines = words(*(job(tmp_path, f"error: {n}\n", f"rule{n}") for n in range(9)))
    assert lines[0] == "9 jobs failed; the last 5:"
    assert [line[:8] for line in lines[1:]] == [f"error: {n}" for n in range(4, 9)]


def test_failed_jobs_are_found_in_the_log_of_snakemake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Of attempts the last counts; a process that a signal ended has the number of that."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))  # no Slurm
    log = tmp_path / "snakemake.log"
    log.write_text(
        "Command 'x 2> a.log # 12' returned non-zero exit status 3.\n"
        f"Command 'x 2> a.log # 12' returned non-zero exit status 4.\n{REFUSED}"
        "Command 'x 2> b.log # 12' died with <Signals.SIGKILL: 9>.\n"
    )
    run = Run(folder=tmp_path, results=tmp_path, workflow_log=log)
    ended = run.end([("a", 7, "a.log"), ("b", 8, "b.log"), ("c", 9, "c.log")])
    assert [(job.code, job.message) for job in ended] == [
        (4, "SLURM sbatch failed. The error message was 'no such account'."), (9, ""), (None, ""),
    ]  # fmt: skip


def test_jobs_that_fail_at_the_same_time_have_their_own_exit_codes():
    """Snakemake shows a job's command also without its status."""
    shown = "Error in rule {0}:\n    shell:\n        x 2> {0}.log # 12\n        (command exited)\n"
    status = "Command 'x 2> {0}.log # 12' returned non-zero exit status {1}.\n"
    a, b = shown.format("a"), shown.format("b")
    text = status.format("a", 3) + a + status.format("b", 137) + b
    assert (exit_code(text, "a.log"), exit_code(text, "b.log")) == (3, 137)


def test_a_run_whose_records_are_damaged_still_says_why_jobs_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """An empty note, as a full disk leaves it, and an answer of Slurm without what was asked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name, text in (("sbatch", ""), ("sacct", "echo 'JobIDRaw|State'; echo '12|'")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs/11-1.json").touch()
    (tmp_path / "jobs/13-1.json").write_text("{}")
    SlurmJob(12, tmp_path).register(Path("a.log"), ranks=1, attempt=1)
    (tmp_path / "a.log").write_text("error: no such file: x\n")
    run = Run(folder=tmp_path, results=tmp_path, workflow_log=tmp_path / "none.log")
    assert words(*run.end([("a", 7, "a.log")])) == ["error: no such file: x (a; log: a.log)"]
    assert capsys.readouterr().err.startswith("warning: jobs.tsv: ")


def test_a_run_whose_folder_is_gone_ends_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    run = Run(folder=folder, results=Path("results"), workflow_log=folder / "snakemake.log")
    [line] = words(*run.end([("a", 7, "a.log")]))
    assert line.startswith("error: its log is empty; see the messages above (a; log: ")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--config", "a={b: 3}"], "--config 'a={b: 3}' --rerun-incomplete"),
        (["--rerun-incomplete", "x"], "--rerun-incomplete x"),
        (["--cores", "2", "--", "x y"], "--cores 2 --rerun-incomplete -- 'x y'"),
    ],
)
def test_the_command_that_resumes_is_that_of_the_run(tmp_path: Path, arguments, expected: str):
    assert resume_line(arguments, tmp_path).endswith(f" {expected}` to resume")


def test_a_folder_that_is_still_locked_is_unlocked_first(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("MCT_COMMAND", "make run")
    assert resume_line(["-c", "2"], tmp_path) == "type `make run` to resume"
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    (tmp_path / ".snakemake/locks/0.input.lock").touch()
    line = resume_line(["-c", "2"], tmp_path)
    assert line.endswith(" -c 2 --unlock`, then `make run` to resume")
