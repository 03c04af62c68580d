"""How time grows with ranks: a model of messages, fitted to measurements, and projections from it.

A message of n bytes between two ranks takes latency + n / bandwidth. Summing n bytes over r ranks in
a ring takes 2 (r - 1) messages of n / r bytes; gathering m bytes of each of r ranks takes r - 1
messages of m bytes (Thakur, Rabenseifner, Gropp, IJHPCA 2005). What is projected is never measured:
every row of a table says which it is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

BYTES_PER_GRADIENT = BYTES_PER_CONFIDENCE = 4


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


def efficiencies(times: Sequence[tuple[int, float]]) -> list[float]:
    """Return, for each ranks and hours, the speed-up over the fewest ranks divided by their ratio.

    Of several times for the fewest ranks the first counts.
    """
    fewest, hours = min(times, key=lambda time: time[0])
    return [hours * fewest / (own * ranks) for ranks, own in times]
