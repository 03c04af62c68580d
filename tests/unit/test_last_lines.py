"""The last words of a run, from the logs of its failed jobs."""

from pathlib import Path

import pytest

from mct.workflow.accounting import SlurmEnd
from mct.workflow.endings import FailedJob, Run, last_words
from mct.workflow.interruption import resume_line

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
        ({"code": 137}, "error: killed, perhaps for its memory; its last line: none (train, exit"),
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
