"""How an experiment's own trainings scale over its rank counts, reading included, next to the paper.

Every row is of a training on some ranks (`measured`) or of a source (`published`). Nothing is projected.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from mct.performance.comparison import efficiencies, is_oversubscribed, machines, speed_ups
from mct.results.tables import Results, Row

PARTS = ("compute", "reading", "averaging", "gathering", "other")
"""Of a step's time, see `StepTimes`."""
HERE = "this experiment"
COLUMNS = (
    "training", "system", "kind", "oversubscribed", "run_ranks", "ranks", "global_batch",
    "step_seconds", *(f"{part}_seconds" for part in PARTS), "samples_per_second", "speed_up",
    "efficiency_percent", "hours", "measured_steps", "n", "source",
)  # fmt: skip


class Speed(NamedTuple):
    """The ranks of a row, the time of a fixed amount of work on them, and the row."""

    ranks: int
    time: float
    row: Row


def run_rows(records: Results, titles: Mapping[str, str], published: Sequence[Row]) -> list[Row]:
    """Return the rows of the table of scaling: trainings in the order of `titles`, then the paper's.

    `records` are those of all trainings and runs.
    """
    rows = []
    for training, title in titles.items():
        own = sorted(run for run in records if run.method == training)
        speeds = [
            _measured(title, ranks, [records[run] for run in own if run.ranks == ranks])
            for ranks in sorted({run.ranks for run in own})
        ]
        rows += _compared(speeds)
    for _, part in groupby(published, key=lambda row: row["system"]):
        rows += _compared([_published(row) for row in part])
    return rows


def _measured(title: str, run_ranks: int, records: Sequence[Mapping[str, Any]]) -> Speed:
    """Return the row of a training's runs with different seeds; without times where none has any."""
    first = records[0]
    times = [record["step_times"] for record in records if record.get("step_times")]
    steps = sum(each["steps"] for each in times)
    row = dict.fromkeys(COLUMNS, "") | {
        "training": title, "system": HERE, "kind": "measured", "run_ranks": str(run_ranks),
        "ranks": str(first["ranks"]), "measured_steps": str(steps), "n": str(len(records)),
    }  # fmt: skip
    if not steps:
        return Speed(first["ranks"], 0, row)
    seconds = _mean_seconds(times, steps)
    rate = sum(each["samples"] for each in times) / (seconds["total"] * steps)
    row |= {f"{name}_seconds": f"{value:.4g}" for name, value in seconds.items() if name in PARTS}
    row |= {
        "oversubscribed": "yes" if any(map(is_oversubscribed, records)) else "no",
        "global_batch": str(first["global_batch"]),
        "step_seconds": f"{seconds['total']:.4g}",
        "samples_per_second": f"{rate:.4g}",
        "hours": f"{seconds['total'] * first['steps'] / 3600:.4g}",
    }
    return Speed(first["ranks"], 1 / rate, row)


def _mean_seconds(times: Iterable[Mapping[str, Any]], steps: int) -> dict[str, float]:
    """Return the seconds of a mean step and of its parts, from those of several runs."""
    sums: dict[str, float] = {}
    for each in times:
        for name, seconds in each["seconds"].items():
            sums[name] = sums.get(name, 0.0) + seconds * each["steps"]
    return {name: total / steps for name, total in sums.items()}


def _published(figure: Row) -> Speed:
    row = dict.fromkeys(COLUMNS, "") | {"kind": "published", **figure}
    return Speed(int(figure["ranks"]), float(figure["hours"]), row)


def _compared(speeds: Sequence[Speed]) -> list[Row]:
    """Return the rows of one training or system, with speed-up and efficiency if they are several."""
    timed = [speed for speed in speeds if speed.time]
    if len(timed) > 1:
        times = [(speed.ranks, speed.time) for speed in timed]
        found = zip(timed, speed_ups(times), efficiencies(times), strict=True)
        for speed, speed_up, efficiency in found:
            speed.row["speed_up"] = f"{speed_up:.2f}"
            speed.row["efficiency_percent"] = f"{100 * efficiency:.1f}"
    return [speed.row for speed in speeds]


def machines_of(records: Results) -> str:
    """Return the machines of the records that name theirs, for the caption of the table."""
    named = [record for record in records.values() if "cores" in record]
    return machines(named) if named else "unnamed machines"
