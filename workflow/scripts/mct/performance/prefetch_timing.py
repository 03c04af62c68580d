"""How much of reading a training hides: mini-batches with and without prefetch, in turn."""

from collections.abc import Iterator, Sequence
from itertools import islice
from time import perf_counter

from mct.base.partition import plan_batches
from mct.data.loading import Batch, BatchReader, Prefetcher
from mct.learning.learner import Learner
from mct.parallel.comm import Comm, highest
from mct.performance.rehearsal import learn_all

ROUNDS = 3
Times = dict[str, dict[str, list[float]]]


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

    By depth (as text) these are seconds of the whole step, and `exposed`, which the step waited for
    its batch; each of the slowest rank. The first round warms up and is not among them; depths
    alternate.
    """
    times: Times = {str(depth): {"step": [], "exposed": []} for depth in depths}
    batches = plan_batches(10**12, set_size, batch_size)
    for number in range(ROUNDS + 1):
        for depth in depths:
            ahead = Prefetcher(depth, reader.cancel)
            results = ahead.map(reader.read, islice(batches, 2 * depth + 1 + steps))
            found = _time_round(comm, learner, ahead, results, steps)
            for name, seconds in found.items():
                if number:
                    times[str(depth)][name].append(seconds)
    return times


def _time_round(
    comm: Comm, learner: Learner, prefetcher: Prefetcher, batches: Iterator[Batch], steps: int
) -> dict[str, float]:
    """Return the mean times of `steps` steps, after the batches that are read with nothing to hide it."""
    for batch in islice(batches, prefetcher.depth + 1):
        learn_all(learner, batch)
    comm.Barrier()
    began, waited = perf_counter(), prefetcher.waited_seconds
    for batch in islice(batches, steps):
        learn_all(learner, batch)
    totals = {"step": perf_counter() - began, "exposed": prefetcher.waited_seconds - waited}
    for _ in batches:  # read ahead to the end of the measured steps
        pass
    return {name: highest(comm, seconds) / steps for name, seconds in totals.items()}
