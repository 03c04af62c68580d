"""The table of jobs, from what jobs noted and what Slurm's accounting says."""

from dataclasses import replace
from pathlib import Path

import pytest

from mct.workflow import accounting
from mct.workflow.jobs import Start

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
    assert row["reason"] == "interrupted with a checkpoint; goes on when it is run again"


def test_of_several_attempts_only_the_last_failure_is_reported():
    starts = [replace(START, job=job) for job in (7, 8, 9)]
    ends = [record(JobIDRaw=job, State="FAILED", ExitCode="1:0") for job in ("7", "8", "9")]
    assert [row["job"] for row in accounting.failures(accounting.tabulate(starts, ends))] == [9]
    ends[-1] = record(JobIDRaw="9")
    assert accounting.failures(accounting.tabulate(starts, ends)) == []


def test_a_users_error_is_quoted_and_the_log_ends_the_report(tmp_path: Path):
    log = tmp_path / "logs/cloth/noise_only/seed0_ranks2.log"
    log.parent.mkdir(parents=True)
    log.write_text("".join(f"line {i}\n" for i in range(20)))
    start = replace(START, log=str(log), refused="images.size: too small", code=2)
    [row] = accounting.tabulate([start], [record(State="FAILED", ExitCode="2:0")])
    text = accounting.describe_failure(row, start)
    assert text.startswith(
        "failed: train_baseline cloth noise_only/seed0_ranks2 (job 7, q_sw_share): "
        "user's error: images.size: too small"
    )
    assert text.endswith("    line 18\n    line 19")
    assert "line 11\n" not in text
