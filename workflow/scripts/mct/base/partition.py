"""Who owns which part: index arithmetic in pure integers, tested without MPI."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from mct.base.errors import UserError


def block(count: int, parts: int, index: int) -> tuple[int, int]:
    """Return start and stop of block `index` when `count` items are cut into `parts` blocks.

    The blocks are contiguous, disjoint and complete; their lengths differ by at most one, the
    longer ones first. A block may be empty. UserError for a block that is none of these parts.
    """
    if not 0 <= index < parts:
        raise UserError(f"expected a part from 0 to below {parts}, got {index}")
    quotient, remainder = divmod(count, parts)
    start = index * quotient + min(index, remainder)
    return start, start + quotient + (index < remainder)


def block_lengths(count: int, parts: int, passes: int = 1) -> list[int]:
    """Return the lengths of all `parts` blocks of `count` items; with `passes` as in `Share`."""
    starts = [block(count, parts * passes, part * passes)[0] for part in range(parts)]
    return [stop - start for start, stop in pairwise([*starts, count])]


@dataclass(frozen=True, kw_only=True)
class Share:
    """A rank's share of reading: block `rank` of `ranks` of each batch, in `threads` threads.

    With `passes` p the rank does the work of p ranks, one after the other: its block consists of
    blocks `rank` x p to `rank` x p + p - 1 of `ranks` x p.
    """

    ranks: int = 1
    rank: int = 0
    threads: int = 1
    passes: int = 1

    def block(self, count: int) -> slice:
        """Return this rank's block of `count` items."""
        blocks = self._blocks(count)
        return slice(blocks[0][0], blocks[-1][1])

    def rows(self, count: int) -> tuple[slice, ...]:
        """Return where the items of each pass are in this rank's block of `count` items."""
        blocks = self._blocks(count)
        first = blocks[0][0]
        return tuple(slice(start - first, stop - first) for start, stop in blocks)

    def _blocks(self, count: int) -> list[tuple[int, int]]:
        first, parts = self.rank * self.passes, self.ranks * self.passes
        return [block(count, parts, first + place) for place in range(self.passes)]


def consecutive(lengths: Iterable[int]) -> tuple[slice, ...]:
    """Return slices of these lengths, each beginning where the one before ends."""
    return tuple(slice(start, stop) for start, stop in pairwise(accumulate(lengths, initial=0)))


@dataclass(frozen=True, kw_only=True)
class GlobalBatch:
    """One step of training: positions `start` to `stop` of the order of an epoch."""

    step: int
    epoch: int
    start: int
    stop: int

    @property
    def size(self) -> int:
        """Samples in the batch, all ranks of one model together."""
        return self.stop - self.start


def plan_batches(samples: int, set_size: int, batch_size: int) -> Iterator[GlobalBatch]:
    """Yield the global batches that see exactly `samples` samples of a set, epoch after epoch.

    The last batch of an epoch is smaller where `batch_size` does not divide the set: nothing is
    padded and nothing is dropped. Only the very last batch can be cut short, so that the number of
    samples seen is exact. UserError for a set without pictures.
    """
    if samples and not set_size:
        raise UserError("the training set has no pictures; see *.quarantine.tsv in catalogue/")
    seen = step = epoch = start = 0
    while seen < samples:
        stop = min(start + batch_size, set_size, start + samples - seen)
        yield GlobalBatch(step=step, epoch=epoch, start=start, stop=stop)
        seen, step, start = seen + stop - start, step + 1, stop
        if start == set_size:
            epoch, start = epoch + 1, 0


def count_steps(samples: int, set_size: int, batch_size: int) -> int:
    """Return how many batches `plan_batches` yields."""
    epochs, rest = divmod(samples, set_size)
    return epochs * -(-set_size // batch_size) + -(-rest // batch_size)


def divide_ranks(ranks: int, works: tuple[float, float]) -> tuple[int, int]:
    """Divide `ranks` between two jobs so that both end together, at least one rank each.

    Of all divisions the one whose longer job is shortest, `max(work / ranks)`, is taken; among
    equals the one that gives the first job fewer ranks. Work is samples x epochs x cost of a
    sample, in any unit.
    """
    if ranks < 2:
        raise UserError(f"ranks: expected at least 2 to divide between two jobs, got {ranks}")
    first = min(range(1, ranks), key=lambda r: (max(works[0] / r, works[1] / (ranks - r)), r))
    return first, ranks - first


def form_pairs(nodes: Sequence[int]) -> list[tuple[int, int]]:
    """Return the pairs (world rank of Ma, world rank of Mp), given each world rank's node.

    Ranks are paired inside their node in the order of their ranks; the ranks left over on nodes
    with an odd number are paired across nodes, also in order. Pairs are numbered by their lowest
    rank, which is Ma's.
    """
    if len(nodes) % 2:
        raise UserError(
            f"calibration needs an even number of ranks to form pairs, got {len(nodes)}; "
            "set `ranks` to an even number"
        )
    members = defaultdict(list)
    for rank, node in enumerate(nodes):
        members[node].append(rank)
    left_over = sorted(ranks.pop() for ranks in members.values() if len(ranks) % 2)
    grouped = [*members.values(), left_over]
    return sorted((ranks[i], ranks[i + 1]) for ranks in grouped for i in range(0, len(ranks), 2))


def samples_of(epochs: Mapping[str, float], set_sizes: Mapping[str, int]) -> int:
    """Return how many samples `epochs` sizes of the named sets are."""
    return round(sum(count * set_sizes[name] for name, count in epochs.items()))


def count_held_out(samples: int, share: float) -> int:
    """Return how many of a set's samples are held out: a share of them, at least one, none at 0."""
    return max(round(share * samples), 1) if share > 0 else 0
