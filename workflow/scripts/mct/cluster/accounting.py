"""What became of an experiment's Slurm jobs: the table `jobs.tsv`, and why jobs failed.

What the jobs noted when they started is joined with Slurm's accounting (sacct).
"""

import csv
import io
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mct.base.files import write_rows
from mct.cluster.jobs import Start, current_run, read_starts, read_submissions
from mct.experiment.ensembles import ENSEMBLES
from mct.experiment.methods import BASELINES, CALIBRATIONS, FINETUNED
from mct.stage.entry import INTERRUPTED

FIELDS = (
    "JobIDRaw", "JobName", "Partition", "Submit", "Start", "ElapsedRaw", "State",
    "ExitCode", "Timelimit", "ReqMem", "MaxRSS", "NCPUS", "NNodes", "NodeList", "Comment",
)  # fmt: skip
COLUMNS = (
    "job", "rule", "dataset", "run", "queue", "state", "reason", "submitted", "waited_seconds",
    "run_seconds", "ranks", "cpus", "nodes", "memory_asked", "memory_used_mb", "restarts", "attempt",
)  # fmt: skip
BAD = {
    "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "BOOT_FAIL",
    "DEADLINE",
}  # fmt: skip
SLURM_LOGS = Path(".snakemake/slurm_logs")
Record = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class SlurmEnd:
    """What Slurm knows of a job's end: why it killed it, nothing where the program failed itself."""

    job: int
    queue: str = ""
    killed_by: str = ""
    code: int | None = None

    @property
    def name(self) -> str:
        """Return the job as a person looks for it."""
        return f"job {self.job}, {self.queue}" if self.queue else f"job {self.job}"


def record_jobs(results: Path, workflow_log: Path) -> dict[str, SlurmEnd]:
    """Write the table of an experiment's Slurm jobs; return how jobs of its last run ended, by log.

    The log is the one that a job noted at its start, or else Slurm's.
    """
    run, starts = current_run(results), read_starts(results)
    noted = {start.job for start in starts}
    submitted = read_submissions(workflow_log, run)
    starts += [start for start in submitted if start.job not in noted]
    if not starts:
        return {}
    records = ask_accounting(start.job for start in starts)
    rows = (list(row.values()) for row in tabulate(starts, records))
    write_rows(results / "jobs.tsv", COLUMNS, rows)
    last = {start.log: start for start in starts if start.run == run}
    found = _by_job(records)
    return {log: end_of(start, found[str(start.job)]) for log, start in last.items()}


def end_of(start: Start, records: Sequence[Record]) -> SlurmEnd:
    """Return how a job ended, from the last record of it as a whole."""
    whole = [record for record in records if "." not in record["JobIDRaw"]]
    if not whole:
        return SlurmEnd(job=start.job, code=start.code)
    last = whole[-1]
    code, killed_by = start.code or exit_code(last) or None, kill_reason(last, start)
    return SlurmEnd(job=start.job, queue=last["Partition"], killed_by=killed_by, code=code)


def ask_accounting(jobs: Iterable[int]) -> list[dict[str, str]]:
    """Return the records of jobs and their steps, requeued ones several times; none without sacct."""
    named = ",".join(map(str, sorted(set(jobs))))
    command = ["sacct", "--duplicates", "--parsable2", "--noconvert", f"--jobs={named}"]
    command += [f"--format={','.join(FIELDS)}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return list(csv.DictReader(io.StringIO(done.stdout), delimiter="|", quoting=csv.QUOTE_NONE))


def tabulate(starts: Sequence[Start], records: Sequence[Record]) -> list[dict[str, Any]]:
    """Return a row of `COLUMNS` for every job, oldest first; what is not known is empty.

    `waited_seconds` and `run_seconds` are sums over a job's restarts, `memory_used_mb` is the memory
    of its largest task, `memory_asked` is as Slurm spells it, per core or node.
    """
    by_job: dict[int, list[Start]] = defaultdict(list)
    for start in starts:
        by_job[start.job].append(start)
    found = _by_job(records)
    return [describe(own, found[str(job)]) for job, own in by_job.items()]


def _by_job(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Return the records of each job and its steps."""
    found: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        found[record["JobIDRaw"].partition(".")[0]].append(record)
    return found


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
    if name in CALIBRATIONS:
        return "calibrate_pair"
    return "train_baseline" if name in {**BASELINES, **FINETUNED, **ENSEMBLES} else name


def describe_records(
    whole: Sequence[Record], records: Sequence[Record], start: Start
) -> dict[str, object]:
    """Return what Slurm's accounting knows: `whole` are the records of the job, not of its steps."""
    last = whole[-1]
    used = max((kilobytes(record["MaxRSS"]) for record in records), default=0)
    state = state_of(last)
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
    if killed_by := kill_reason(record, start):
        return killed_by
    if start.refused:
        return f"user's error: {start.refused}"
    if start.code == INTERRUPTED:
        return "interrupted with a checkpoint; resumes when it is run again"
    return f"fault, exit code {start.code or exit_code(record)}"


def kill_reason(record: Record, start: Start) -> str:
    """Return why Slurm ended a job, nothing where the job did that itself."""
    state = state_of(record)
    if state not in BAD:
        return ""
    if state == "TIMEOUT":
        return f"time limit of {record['Timelimit']}"
    if state == "OUT_OF_MEMORY" or "exceeded memory limit" in slurm_log(start.job):
        return f"memory: more than the {record['ReqMem']} it asked for"
    if state in ("NODE_FAIL", "BOOT_FAIL"):
        return f"node failed: {record['NodeList']}"
    if state == "CANCELLED":
        return record["State"].lower().replace("by", "by user")
    return "preempted by a job of higher priority" if state == "PREEMPTED" else ""


def state_of(record: Record) -> str:
    """Return a job's state without its details; nothing where Slurm does not know it yet."""
    return record["State"].partition(" ")[0]


def exit_code(record: Record) -> int:
    """Return the exit code of a job's script; 0 where Slurm does not know it yet."""
    code = record["ExitCode"].partition(":")[0]
    return int(code) if code.isdecimal() else 0


def slurm_log(job: int) -> str:
    """Return what Slurm and Snakemake printed in a job."""
    found = next(SLURM_LOGS.rglob(f"{job}.log"), None)
    return found.read_text(errors="replace") if found else ""
