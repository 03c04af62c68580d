"""What became of an experiment's Slurm jobs: the table `jobs.tsv`, and why jobs failed.

What the jobs noted when they started is joined with Slurm's accounting (sacct).
"""

import csv
import io
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from mct.base import methods
from mct.workflow.jobs import INTERRUPTED, Start, last_lines

FIELDS = (
    "JobIDRaw", "JobName", "Partition", "Submit", "Start", "ElapsedRaw", "State",
    "ExitCode", "Timelimit", "ReqMem", "MaxRSS", "NCPUS", "NNodes", "NodeList", "Comment",
)  # fmt: skip
COLUMNS = (
    "job", "rule", "dataset", "run", "queue", "state", "reason", "submitted", "waited_seconds",
    "run_seconds", "ranks", "cpus", "nodes", "memory_asked", "memory_used_mb", "restarts", "attempt",
)  # fmt: skip
BAD = {
    "FAILED",
    "TIMEOUT",
    "CANCELLED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "BOOT_FAIL",
    "DEADLINE",
}
LAST_LINES = 8
SLURM_LOGS = Path(".snakemake/slurm_logs")
Record = Mapping[str, str]


def ask_accounting(jobs: Iterable[int]) -> list[dict[str, str]]:
    """Return the records of jobs and their steps, requeued ones several times; none without sacct."""
    named = ",".join(map(str, sorted(set(jobs))))
    if not named:
        return []
    command = [
        "sacct",
        "--duplicates",
        "--parsable2",
        "--noconvert",
        f"--format={','.join(FIELDS)}",
    ]
    try:
        done = subprocess.run(
            [*command, f"--jobs={named}"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return []
    return list(csv.DictReader(io.StringIO(done.stdout), delimiter="|", quoting=csv.QUOTE_NONE))


def tabulate(starts: Sequence[Start], records: Sequence[Record]) -> list[dict[str, Any]]:
    """Return a row of `COLUMNS` for every job, oldest first; what is not known is empty.

    `waited_seconds` and `run_seconds` are sums over a job's restarts, `memory_used_mb` is that of
    its largest process tree (a task), `memory_asked` as Slurm spells it, for each core or node.
    """
    by_job: dict[int, list[Start]] = defaultdict(list)
    for start in starts:
        by_job[start.job].append(start)
    found: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        found[record["JobIDRaw"].partition(".")[0]].append(record)
    return [describe(own, found[str(job)]) for job, own in by_job.items()]


def describe(starts: Sequence[Start], records: Sequence[Record]) -> dict[str, object]:
    """Return the row of one job from its starts and its records."""
    last = starts[-1]
    log = Path(last.log)
    parts = log.with_suffix("").parts[log.parts.index("logs") + 1 :] if "logs" in log.parts else ()
    row: dict[str, object] = dict.fromkeys(COLUMNS, "")
    row |= {
        "job": last.job,
        "rule": last.rule or rule_of(parts),
        "dataset": parts[0] if len(parts) > 1 else "",
        "run": log.parent.name if last.rule else "/".join(parts[1:] or parts),
        "ranks": last.ranks or 1,
        "restarts": len(starts) - 1,
        "attempt": last.attempt,
    }
    whole = [record for record in records if "." not in record["JobIDRaw"]]
    return row | (describe_records(whole, records, last) if whole else {})


def rule_of(parts: Sequence[str]) -> str:
    """Return the rule whose log lies at these parts of a path below the logs' folder."""
    name = parts[min(1, len(parts) - 1)] if parts else ""
    if name in methods.CALIBRATED:
        return "calibrate_pair"
    return "train_baseline" if name in methods.BASELINES else name


def describe_records(
    whole: Sequence[Record], records: Sequence[Record], start: Start
) -> dict[str, object]:
    """Return what Slurm's accounting knows: `whole` are the records of the job, not of its steps."""
    last = whole[-1]
    used = max((kilobytes(record["MaxRSS"]) for record in records), default=0)
    state = last["State"].split()[0]
    return {
        "queue": last["Partition"],
        "state": state,
        "reason": explain(last, start) if state in BAD else "",
        "submitted": whole[0]["Submit"],
        "waited_seconds": sum(waited(record) for record in whole),
        "run_seconds": sum(int(record["ElapsedRaw"] or 0) for record in whole),
        "cpus": last["NCPUS"],
        "nodes": last["NNodes"],
        "memory_asked": last["ReqMem"],
        "memory_used_mb": round(used / 1e3) if used else "",
    }


def waited(record: Record) -> int:
    """Return the seconds from submission to start; 0 for a job that never started."""
    try:
        begun = datetime.fromisoformat(record["Start"])
    except ValueError:  # "Unknown"
        return 0
    return round((begun - datetime.fromisoformat(record["Submit"])).total_seconds())


def kilobytes(text: str) -> float:
    """Return a size as sacct writes it without conversion: bytes, or with the unit K."""
    return float(text.rstrip("K")) if text.endswith("K") else float(text or 0) / 1000


def explain(record: Record, start: Start) -> str:
    """Return why a job failed, in a few words."""
    state, nodes = record["State"], record["NodeList"]
    code = int(record["ExitCode"].partition(":")[0])
    if state == "TIMEOUT":
        return f"time limit of {record['Timelimit']}"
    if state == "OUT_OF_MEMORY" or "exceeded memory limit" in slurm_log(start.job):
        return f"memory: more than the {record['ReqMem']} it asked for"
    if state in ("NODE_FAIL", "BOOT_FAIL"):
        return f"node failed: {nodes}"
    if state.startswith("CANCELLED"):
        return state.replace("CANCELLED by", "cancelled by user").replace("CANCELLED", "cancelled")
    if state == "PREEMPTED":
        return "preempted by a job of higher priority"
    if start.refused:
        return f"user's error: {start.refused}"
    if start.code == INTERRUPTED:
        return "interrupted with a checkpoint; goes on when it is run again"
    return f"fault, exit code {start.code or code}"


def slurm_log(job: int) -> str:
    """Return what Slurm and Snakemake printed in a job."""
    found = next(SLURM_LOGS.rglob(f"{job}.log"), None)
    return found.read_text(errors="replace") if found else ""


def describe_failure(row: Mapping[str, object], start: Start) -> str:
    """Return what a person reads about a failed job: its name, the reason, the end of its log."""
    name = " ".join(str(row[key]) for key in ("rule", "dataset", "run") if row[key])
    lines = [
        f"failed: {name} (job {row['job']}, {row['queue']}): {row['reason']}",
        f"  {start.log}:",
    ]
    return "\n".join(lines + [f"    {line}" for line in last_lines(Path(start.log), LAST_LINES)])


def failures(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return of each rule and run the last job, if that failed."""
    last = {(row["rule"], row["dataset"], row["run"]): row for row in rows}
    return [row for row in last.values() if row["reason"]]
