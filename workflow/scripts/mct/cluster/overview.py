"""What a plan comes to: a table of its jobs, and their total."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mct.cluster.demands import START_SECONDS

SIGNAL_SECONDS = 120
"""Before its limit a job is signalled, and writes a checkpoint."""
LOCAL_COLUMNS = ("job", "jobs", "ranks", "core hours", "GB")
COLUMNS = ("job", "jobs", "ranks", "nodes", "cores/rank", "pieces", "hours", "GB")
HOUR, GIGABYTE = 3600, 1000


@dataclass(frozen=True, kw_only=True)
class PlannedJob:
    """A job of a plan; `gigabytes` are of disk, `pieces` the jobs that the time limit makes of it."""

    rule: str
    ranks: int
    nodes: int
    rank_cpus: int
    cores: int
    gpus: int
    pieces: int
    work_seconds: int
    gigabytes: float

    @classmethod
    def of(cls, rule: str, resources: Mapping[str, Any], megabytes: float) -> "PlannedJob":
        """Return a job by its resources, and the megabytes that it stores."""
        cpus, work = resources["cpus_per_task"], resources["work_seconds"]
        usable = max(60 * resources["runtime"] - START_SECONDS - SIGNAL_SECONDS, 60)
        return cls(
            rule=rule,
            ranks=resources.get("ranks", 0),
            nodes=resources["nodes"],
            rank_cpus=resources.get("rank_cpus", cpus),
            cores=resources["tasks"] * cpus,
            gpus=resources.get("gpu", 0),
            pieces=max(1, math.ceil(work / usable)),
            work_seconds=work,
            gigabytes=megabytes / GIGABYTE,
        )

    @property
    def hours(self) -> float:
        """The hours from its first start to its end, without what it waits in the queue."""
        return (self.work_seconds + self.pieces * START_SECONDS) / HOUR

    @property
    def kind(self) -> tuple[str, int, int, int]:
        """What jobs of one row have in common."""
        return self.rule, self.ranks, self.nodes, self.rank_cpus


def table(jobs: Sequence[tuple[PlannedJob, float]]) -> list[str]:
    """Return the lines of a table: jobs that are alike in a row, by the hours when the first ends."""
    ends: dict[tuple[str, int, int, int], float] = {}
    for job, end in jobs:
        ends[job.kind] = min(end, ends.get(job.kind, math.inf))
    kinds = sorted(ends, key=lambda kind: (ends[kind], kind))
    rows: list[tuple[str, ...]] = [
        COLUMNS,
        *(_row([job for job, _ in jobs if job.kind == kind]) for kind in kinds),
    ]
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of cells as lines: the first column begins at the left, the others end at the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]


def _row(jobs: Sequence[PlannedJob]) -> tuple[str, ...]:
    """Return the row of jobs that are alike: pieces and hours of the longest, disk of all."""
    rule, ranks, nodes, cores = jobs[0].kind
    longest = max(jobs, key=lambda job: job.hours)
    counts = (len(jobs), ranks or "-", nodes, cores, longest.pieces)
    disk = sum(job.gigabytes for job in jobs)
    return rule, *map(str, counts), f"{longest.hours:.2f}", f"{disk:.1f}"


def total(jobs: Sequence[tuple[PlannedJob, float]]) -> str:
    """Return the line below the table; the longest path is that of jobs that wait for each other."""
    gpu_hours = sum(job.gpus * job.hours for job, _ in jobs)
    parts = [
        f"total: {len(jobs)} jobs",
        f"{sum(job.cores * job.hours for job, _ in jobs):,.1f} core hours",
        *([f"{gpu_hours:,.1f} GPU hours"] if gpu_hours else []),
        f"{max(end for _, end in jobs):.1f} hours on the longest path",
        f"{sum(job.gigabytes for job, _ in jobs):,.1f} GB of disk",
    ]
    return ", ".join(parts)


def local_table(jobs: Sequence[PlannedJob]) -> list[str]:
    """Return the lines of a plan for this machine: jobs that are alike in a row, in their order."""
    kinds = dict.fromkeys((job.rule, job.ranks) for job in jobs)
    rows: list[Sequence[str]] = [LOCAL_COLUMNS]
    for kind in kinds:
        own = [job for job in jobs if (job.rule, job.ranks) == kind]
        work = sum(job.cores * job.work_seconds for job in own) / HOUR
        disk = sum(job.gigabytes for job in own)
        rows.append((kind[0], str(len(own)), str(kind[1] or "-"), f"{work:.2f}", f"{disk:.2f}"))
    return aligned(rows)


def local_total(jobs: Iterable[PlannedJob]) -> str:
    """Return the line of a plan for this machine: the work alone, without the starts of programs."""
    work = [(job.cores * job.work_seconds / HOUR, job.gigabytes) for job in jobs]
    cores, disk = map(sum, zip(*work, strict=True))
    return f"total: {cores:,.2f} core hours of work, {disk:,.2f} GB of disk"


def ends_of(hours: Mapping[Any, float], before: Callable[[Any], Iterable[Any]]) -> dict[Any, float]:
    """Return the hours after which each job ends if none waits in a queue.

    `before` returns the jobs that a job needs; only those of `hours` are still to be done.
    """
    ends: dict[Any, float] = {}
    waiting = list(hours)
    while waiting:
        job = waiting[-1]
        needed = [each for each in before(job) if each in hours]
        if missing := [each for each in needed if each not in ends]:
            waiting += missing
            continue
        ends[job] = hours[job] + max((ends[each] for each in needed), default=0.0)
        waiting.pop()
    return ends
