"""How much of reading a training hides: mini-batches with and without prefetch, in turn."""

from collections.abc import Sequence
from itertools import islice
from time import perf_counter

from mct.base.partition import GlobalBatch, plan_batches
from mct.data.loading import Batch, BatchReader, Prefetcher
from mct.learning.learner import Learner
from mct.parallel.comm import Comm, slowest
from mct.results.rehearsal import learn_all

ROUNDS = 3
Times = dict[str, dict[str, list[float]]]


class TimedReader:
    """Reads batches and adds up the seconds that takes, in whatever thread."""

    def __init__(self, reader: BatchReader) -> None:
        self._reader = reader
        self.seconds = 0.0

    def read(self, plan: GlobalBatch) -> Batch:
        """Return a batch."""
        began = perf_counter()
        batch = self._reader.read(plan)
        self.seconds += perf_counter() - began
        return batch


def time_depths(
    comm: Comm,
    learner: Learner,
    reader: BatchReader,
    set_size: int,
    batch_size: int,
    depths: Sequence[int],
    steps: int,
) -> Times:
    """Return, for each prefetch depth, the mean times of a mini-batch in each round. Collective.

    Returns
    -------
    By depth (as text): seconds of the whole step, of `reading` in any thread, and `exposed`, which
    the step waited for its batch; all of the slowest rank. The first round warms up and is not among
    them; depths alternate.
    """
    times: Times = {str(depth): {"step": [], "reading": [], "exposed": []} for depth in depths}
    batches = plan_batches(10**12, set_size, batch_size)
    for number in range(ROUNDS + 1):
        for depth in depths:
            found = _time_round(comm, learner, reader, depth, list(islice(batches, steps)))
            for name, seconds in found.items():
                if number:
                    times[str(depth)][name].append(seconds)
    return times


def _time_round(
    comm: Comm, learner: Learner, reader: BatchReader, depth: int, plans: list[GlobalBatch]
) -> dict[str, float]:
    timed, prefetcher = TimedReader(reader), Prefetcher(depth)
    comm.Barrier()
    began = perf_counter()
    for batch in prefetcher.map(timed.read, plans):
        learn_all(learner, batch)
    whole = perf_counter() - began
    totals = {"step": whole, "reading": timed.seconds, "exposed": prefetcher.waited_seconds}
    return {name: slowest(comm, seconds) / len(plans) for name, seconds in totals.items()}
