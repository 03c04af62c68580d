"""The table of jobs, from what jobs noted and what Slurm's accounting says."""

from dataclasses import replace
from pathlib import Path

import pytest

from mct.cluster import accounting
from mct.cluster.jobs import Start

START = Start(
    job=7,
    run="r",
    log="results/x/logs/cloth/mct_paper/seed0_ranks4.log",
    ranks=4,
    attempt=1,
    time=0.0,
)


def record(**fields: str) -> dict[str, str]:
    filled = dict.fromkeys(accounting.FIELDS, "")
    filled |= {
        "JobIDRaw": "7", "Partition": "q_sw_share", "State": "COMPLETED", "ExitCode": "0:0",
        "Submit": "2026-01-01T00:00:00", "Start": "2026-01-01T00:01:30", "ElapsedRaw": "60",
    }  # fmt: skip
    return filled | fields


def test_a_job_is_named_by_its_log():
    [row] = accounting.tabulate([START], [])
    assert (row["rule"], row["dataset"], row["run"]) == (
        "calibrate_pair",
        "cloth",
        "mct_paper/seed0_ranks4",
    )
    assert row["ranks"] == 4
    assert row["state"] == ""


def test_restarts_add_up():
    records = [record(State="REQUEUED"), record(JobIDRaw="7.0", MaxRSS="812000K"), record()]
    [row] = accounting.tabulate([START, START], records)
    assert (row["restarts"], row["waited_seconds"], row["run_seconds"]) == (1, 180, 120)
    assert row["memory_used_mb"] == 812
    assert row["reason"] == ""


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"State": "TIMEOUT", "Timelimit": "00:02:00"}, "time limit of 00:02:00"),
        ({"State": "OUT_OF_MEMORY", "ReqMem": "4G"}, "memory: more than the 4G it asked for"),
        ({"State": "NODE_FAIL", "NodeList": "sw[1-2]"}, "node failed: sw[1-2]"),
        ({"State": "CANCELLED by 1000"}, "cancelled by user 1000"),
        ({"State": "PREEMPTED"}, "preempted by a job of higher priority"),
        ({"State": "FAILED", "ExitCode": "1:0"}, "fault, exit code 1"),
    ],
)  # fmt: skip
def test_each_ending_has_its_reason(fields: dict[str, str], reason: str):
    [row] = accounting.tabulate([START], [record(**fields)])
    assert row["reason"] == reason


def test_an_interrupted_job_is_known_by_what_it_noted():
    start = replace(START, code=75)
    [row] = accounting.tabulate([start], [record(State="FAILED", ExitCode="1:0")])
    assert row["reason"] == "interrupted with a checkpoint; resumes when it is run again"


def test_the_end_of_a_job_is_that_of_its_last_record():
    """The exit code is the program's; Slurm knows that of the job's script."""
    records = [record(State="TIMEOUT"), record(State="FAILED", ExitCode="1:0")]
    end = accounting.end_of(replace(START, code=2), records)
    assert (end.name, end.killed_by, end.code) == ("job 7, q_sw_share", "", 2)
    end = accounting.end_of(START, [record(State="TIMEOUT", Timelimit="00:02:00", ExitCode="0:15")])
    assert (end.killed_by, end.code) == ("time limit of 00:02:00", None)
    assert accounting.end_of(START, []).name == "job 7"


def test_only_of_jobs_that_ended_badly_the_log_of_slurm_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It is also that of an earlier start, which Slurm killed."""
    monkeypatch.chdir(tmp_path)
    log = tmp_path / accounting.SLURM_LOGS / "rule_train/x/7.log"
    log.parent.mkdir(parents=True)
    log.write_text("slurmstepd: error: exceeded memory limit\n")
    reason = "memory: more than the 4G it asked for"
    assert accounting.end_of(START, [record(State="FAILED", ReqMem="4G")]).killed_by == reason
    for state in ("COMPLETED", "RUNNING", "REQUEUED"):
        assert accounting.end_of(START, [record(State=state)]).killed_by == ""


def test_a_state_that_slurm_does_not_know_yet_is_empty():
    unknown = record(State="", ExitCode="")
    [row] = accounting.tabulate([START], [unknown])
    assert (row["state"], row["reason"]) == ("", "")
    assert accounting.end_of(START, [unknown]).code is None
    [row] = accounting.tabulate([START], [record(State="FAILED", ExitCode="")])
    assert row["reason"] == "fault, exit code 0"


def test_a_users_error_is_quoted():
    start = replace(START, refused="images.size: too small", code=2)
    [row] = accounting.tabulate([start], [record(State="FAILED", ExitCode="2:0")])
    assert row["reason"] == "user's error: images.size: too small"
