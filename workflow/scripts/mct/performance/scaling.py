"""How time grows with ranks: a model of messages, fitted to measurements, and tables of both.

A message of n bytes between two ranks takes latency + n / bandwidth. Summing n bytes over r ranks in
a ring takes 2 (r - 1) messages of n / r bytes; gathering m bytes of each of r ranks takes r - 1
messages of m bytes (Thakur, Rabenseifner, Gropp, IJHPCA 2005). Every row of a table says whether it
was measured or rehearsed here, projected from that, or published, and whether more ranks than cores
took part.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import median
from typing import Any

import numpy as np
from scipy.optimize import nnls

from mct.performance.comparison import efficiencies, is_oversubscribed, machines
from mct.results.tables import Row

BYTES_PER_GRADIENT = BYTES_PER_CONFIDENCE = 4
Measurements = Mapping[int, Mapping[str, Any]]
"""The JSON of `measure_scaling.py` or `measure_prefetch.py` by number of ranks."""
HERE = "this machine"
COLUMNS = (
    "scaling", "system", "ranks", "kind", "oversubscribed", "global_batch", "step_seconds", "lowest",
    "highest", "hours", "efficiency_percent", "source",
)  # fmt: skip
"""Of the table of the rehearsal."""
CAPTIONS = {
    "prefetch": """Mini-batches of pretraining {settings[model][name]} on {samples:,} pictures of
{settings[images][size]} pixels. Exposed: the time that a step waits for its batch. Hidden: the waiting time
that prefetch saves.""",
    "communication": """`model_seconds` is the time of a ring of messages with one latency and one
bandwidth, fitted to the rows that were measured with no more ranks than cores.""",
    "rehearsal": """A rehearsed step calibrates a pair of {settings[model]} on random pictures of
{settings[size]} pixels in {settings[classes]} classes, without reading. Hours are the time of {task[epochs]}
epochs of {task[pictures]:,} pictures, except in published rows. Weak: the batch of each rank stays the same,
and steps get fewer. Strong: the global batch stays the same. Projected: the step on the fewest rehearsed
ranks, with the messages of more ranks over the links measured here, none of them hidden. Published: times
that the named source measured on its machine; their efficiency was computed here. Efficiency is relative to
the fewest ranks of the same scaling and system, where there are several rows.""",
}


@dataclass(frozen=True, kw_only=True)
class Link:
    """What a message costs: `latency` in seconds, `seconds_per_byte` the inverse bandwidth."""

    latency: float
    seconds_per_byte: float


def allreduce_terms(ranks: int, count: float) -> tuple[float, float]:
    """Return messages and bytes, one after the other, of summing `count` bytes over a ring."""
    return 2.0 * (ranks - 1), 2.0 * (ranks - 1) / ranks * count


def allgather_terms(ranks: int, count: float) -> tuple[float, float]:
    """Return messages and bytes, one after the other, of gathering `count` bytes of each rank."""
    return float(ranks - 1), (ranks - 1) * count


def seconds_of(terms: tuple[float, float], link: Link) -> float:
    """Return the time of messages and bytes over a link."""
    return terms[0] * link.latency + terms[1] * link.seconds_per_byte


def fit_link(measured: Sequence[tuple[tuple[float, float], float]]) -> Link:
    """Return the link that explains measured times best, relative errors weighed alike.

    `measured` has messages and bytes (see `allreduce_terms`), and seconds of each measurement;
    small and large ones, or one of the two unknowns stays open.
    """
    seconds = np.array([value for _, value in measured])
    terms = np.array([part for part, _ in measured]) / seconds[:, None]
    scale = np.array([1.0, 1e9])  # both unknowns of like size
    solution, _ = nnls(terms / scale, np.ones(len(seconds)))
    return Link(latency=float(solution[0]), seconds_per_byte=float(solution[1] / scale[1]))


@dataclass(frozen=True, kw_only=True)
class Task:
    """A training whose time is asked for: passes of a calibrated pair over a set of pictures."""

    pictures: int
    epochs: int
    samples_per_rank: int

    def hours(self, batch: int, step_seconds: float) -> float:
        """Return the time of all steps with global batches of so many samples, in hours."""
        return self.epochs * math.ceil(self.pictures / batch) * step_seconds / 3600


def project_step(
    compute_seconds: float, ranks: int, parameters: int, samples_per_rank: int, link: Link
) -> float:
    """Return the seconds of a coupled step on `ranks` ranks with nothing hidden: an upper bound.

    Each model's gradients are summed over half of the ranks; confidences of all are gathered.
    """
    pairs = ranks // 2
    averaging = seconds_of(allreduce_terms(pairs, BYTES_PER_GRADIENT * parameters), link)
    gathering = seconds_of(allgather_terms(ranks, BYTES_PER_CONFIDENCE * samples_per_rank), link)
    return compute_seconds + (averaging if pairs > 1 else 0.0) + gathering


def trusted(measured: Measurements) -> Measurements:
    """Return the measurements without oversubscription; all if there are no others."""
    kept = {ranks: found for ranks, found in measured.items() if not is_oversubscribed(found)}
    return kept or measured


def link_of(measured: Measurements) -> Link:
    """Return the link between ranks that explains the times of sums and gatherings best."""
    messages = chain.from_iterable(map(messages_of, trusted(measured).values()))
    return fit_link([(terms, median(seconds)) for _, _, terms, seconds in messages])


def messages_of(
    found: Mapping[str, Any],
) -> Iterator[tuple[str, int, tuple[float, float], list[float]]]:
    """Yield title, bytes of a rank, terms of the model and seconds of each kind of message."""
    ranks = found["ranks"]
    for name, average in found["averages"].items():
        count = BYTES_PER_GRADIENT * average["parameters"]
        yield f"averaging {name}", count, allreduce_terms(ranks, count), average["seconds"]
    for samples, seconds in found["gatherings"].items():
        count = BYTES_PER_CONFIDENCE * int(samples)
        title = f"allgather, {samples} samples a rank"
        yield title, count, allgather_terms(ranks, count), seconds


def communication_rows(measured: Measurements) -> list[Row]:
    """Return what sums of gradients and gatherings of confidences take, over ranks (Figure 4)."""
    link, rows = link_of(measured), []
    for found in measured.values():
        for title, count, terms, seconds in messages_of(found):
            row = {"message": title, "ranks": str(found["ranks"]), "bytes_of_a_rank": str(count)}
            row |= _spread("seconds", seconds)
            row["model_seconds"] = f"{seconds_of(terms, link):.3g}"
            rows.append(row | _measured(found))
    return sorted(rows, key=lambda row: (row["message"], int(row["ranks"])))


def _spread(name: str, values: Sequence[float]) -> Row:
    found = {name: median(values), "lowest": min(values), "highest": max(values)}
    return {column: f"{value:.4g}" for column, value in found.items()}


def _measured(found: Mapping[str, Any], kind: str = "measured") -> Row:
    return {"kind": kind, "oversubscribed": "yes" if is_oversubscribed(found) else "no"}


def rehearsal_rows(
    measured: Measurements, task: Task, projected: Sequence[int], published: Sequence[Row]
) -> list[Row]:
    """Return the time of a whole training over ranks, by rehearsed steps (Table 1, Figure 5).

    Weak: the batch of each rank stays the same, so steps get fewer. Strong: the global batch stays
    the same. Projections are weak and start from the fewest measured ranks.
    """
    weak, strong = (_rehearsed_rows(measured, task, name) for name in ("weak", "strong"))
    return [
        *_with_efficiency([*weak, *_projected_rows(measured, task, projected)]),
        *_with_efficiency(strong),
        *_published_rows(published),
    ]


def _rehearsed_rows(measured: Measurements, task: Task, scaling: str) -> list[Row]:
    rows = []
    for ranks, found in sorted(measured.items()):
        seconds, batch = found["steps"][scaling], found["batches"][scaling]
        hours = task.hours(batch, median(seconds))
        row = _scaling_row(scaling, HERE, ranks, "rehearsed", batch, hours)
        rows.append(row | _spread("step_seconds", seconds) | _measured(found, "rehearsed"))
    return rows


def _projected_rows(measured: Measurements, task: Task, projected: Sequence[int]) -> list[Row]:
    link, base = link_of(measured), trusted(measured)
    fewest = min(base)
    samples = task.samples_per_rank
    parameters = base[fewest]["parameters"]

    def messages(ranks: int) -> float:
        return project_step(0.0, ranks, parameters, samples, link)

    compute = median(base[fewest]["steps"]["weak"]) - messages(fewest)
    rows = []
    for ranks in sorted(projected):
        step, batch = compute + messages(ranks), samples * (ranks // 2)
        row = _scaling_row("weak", HERE, ranks, "projected", batch, task.hours(batch, step))
        rows.append({**row, "step_seconds": f"{step:.4g}"})
    return rows


def _scaling_row(
    scaling: str, system: str, ranks: int, kind: str, batch: int | None, hours: float
) -> Row:
    known = {"scaling": scaling, "system": system, "ranks": str(ranks), "kind": kind}
    size = "" if batch is None else str(batch)
    return dict.fromkeys(COLUMNS, "") | known | {"global_batch": size, "hours": f"{hours:.4g}"}


def _with_efficiency(rows: list[Row]) -> list[Row]:
    """Return rows of one scaling of one system with their efficiency; a row alone has none."""
    if len(rows) > 1:
        found = efficiencies([(int(row["ranks"]), float(row["hours"])) for row in rows])
        for row, efficiency in zip(rows, found, strict=True):
            row["efficiency_percent"] = f"{100 * efficiency:.1f}"
    return rows


def _published_rows(published: Sequence[Row]) -> list[Row]:
    rows = []
    for row in published:
        facts = row["system"], int(row["ranks"]), "published", None, float(row["hours"])
        rows.append({**_scaling_row("", *facts), "source": row["source"]})
    for system in {row["system"] for row in rows}:
        _with_efficiency([row for row in rows if row["system"] == system])
    return rows


def prefetch_rows(measured: Measurements) -> list[Row]:
    """Return the parts of a mini-batch's time with and without prefetch, over ranks (Figure 3).

    The time that a step waits for its batch is exposed; the waiting time that prefetch saves was
    hidden behind computing.
    """
    rows = []
    for ranks, found in sorted(measured.items()):
        whole = median(found["depths"]["0"]["exposed"])
        for depth, times in found["depths"].items():
            step, exposed = median(times["step"]), median(times["exposed"])
            row = {
                "ranks": str(ranks),
                "prefetched_batches": depth,
                "global_batch": str(found["batch_size"]),
                **_spread("step_seconds", times["step"]),
                "compute_seconds": f"{step - exposed:.4g}",
                "exposed_io_seconds": f"{exposed:.4g}",
                "hidden_io_seconds": f"{max(whole - exposed, 0):.4g}",
            }
            rows.append(row | _measured(found))
    return rows


def caption(kind: str, found: Sequence[Mapping[str, Any]], task: Mapping[str, Any]) -> str:
    """Return the caption of a table.

    All measurements in `found` have the same settings; `task` is the section `scaling` of the
    configuration.
    """
    what = CAPTIONS[kind].format(task=task, **found[0])
    return f"Measured on {machines(found)}; medians, lowest, highest. {what}"
