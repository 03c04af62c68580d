"""Pseudo-random order and numbers that are computed where they are asked for, from a key alone.

Owns the order of an epoch, as a bijection of the positions of a set, and the random numbers of its
samples. Nothing is drawn for the whole set, so that neither memory nor time of a rank grows with it,
and any step can be computed without those before. All is vectorised over a batch.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

ORDER_STREAM, AUGMENTATION_STREAM, WINDOW_STREAM, OTHER_AUGMENTATION_STREAM = range(4)
STRONG_STREAM = 4
"""Added to the stream of the view that a strong one is made from."""
ROUNDS = 8
"""Of the Feistel network: twice the four that suffice with ideal round functions (Luby and Rackoff, 1988)."""
FEWEST_BITS = 6
"""That the network permutes: with fewer, too few permutations are as probable as all others."""
BLOCK = 4096
"""Places of an order that are computed at a time; one by one they take ten times as long."""
GOLDEN, FIRST, SECOND = (
    np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)
"""The constants of SplitMix64."""
Words = NDArray[np.uint64]
Draws = NDArray[np.float32]


def keys_of(seed: int, epoch: int, stream: int, count: int) -> Words:
    """Return keys of one purpose in one epoch, shape (count,): Philox keyed by (seed, epoch)."""
    generator = np.random.Generator(np.random.Philox(key=[seed, epoch], counter=[0, 0, 0, stream]))
    return generator.integers(0, 1 << 64, count, np.uint64)


def mix(words: Words) -> Words:
    """Return words whose bits all depend on all bits of `words`; a bijection.

    Source: the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014, section 3).
    """
    words = (words ^ (words >> np.uint64(30))) * FIRST
    words = (words ^ (words >> np.uint64(27))) * SECOND
    return words ^ (words >> np.uint64(31))


def draw_numbers(key: np.uint64, samples: NDArray[np.int64], draws: int) -> Draws:
    """Return uniform numbers in [0, 1) of shape (b, draws); a row depends on key and sample alone.

    They are those of SplitMix64 at the places that belong to a sample, `samples` having shape (b,).
    """
    first = samples.astype(np.uint64)[:, None] * np.uint64(draws)
    counts: Words = np.arange(1, draws + 1).astype(np.uint64)
    places = np.add(first, counts, dtype=np.uint64)
    return (mix(key + places * GOLDEN) >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)


class Permutation:
    """A pseudo-random bijection of 0 to `count` - 1, computed for any of these.

    A Feistel network permutes the numbers of as many bits as `count` needs; a number that it takes
    outside is permuted again until it is inside, at most twice on average but for tiny sets.
    Source: Black and Rogaway, Ciphers with Arbitrary Finite Domains, CT-RSA 2002, sections 4 and 5.
    `keys` has one of each round, shape (ROUNDS,).
    """

    def __init__(self, count: int, keys: Words) -> None:
        self._count, self._keys = count, keys
        bits = max(FEWEST_BITS, (count - 1).bit_length())
        halves = bits // 2, bits - bits // 2
        self._widths = [np.uint64(halves[number % 2]) for number in range(2)]

    def __call__(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where `numbers`, shape (b,), are taken to."""
        found = self._network(numbers.astype(np.uint64))
        while (outside := np.flatnonzero(found >= self._count)).size:
            found[outside] = self._network(found[outside])
        return found.astype(np.int64)

    def _network(self, words: Words) -> Words:
        right, left = self._widths
        for key in self._keys:
            lower = words & ((np.uint64(1) << right) - np.uint64(1))
            change = (lower + key) * FIRST
            change ^= change >> np.uint64(32)
            change *= SECOND
            change >>= np.uint64(64) - left
            change ^= words >> right
            words = (lower << left) | change
            right, left = left, right
        return words


class Order(Protocol):
    """The order of the positions of a set in one epoch."""

    def take(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the positions from place `start` to place `stop`, shape (stop - start,)."""


class ShuffledOrder:
    """An order of all `samples` positions."""

    def __init__(self, seed: int, epoch: int, samples: int) -> None:
        self._permutation = Permutation(samples, keys_of(seed, epoch, ORDER_STREAM, ROUNDS))
        self._samples, self._start, self._block = samples, 0, np.arange(0)

    def take(self, start: int, stop: int) -> NDArray[np.int64]:
        if not self._start <= start <= stop <= self._start + len(self._block):
            end = min(max(stop, start + BLOCK), self._samples)
            self._start, self._block = start, self._permutation(np.arange(start, end))
        return self._block[start - self._start : stop - self._start]


class WindowedOrder:
    """An order that reads few shards at a time.

    The shards, in an order of the epoch's own, are cut into windows of so many; all positions of a
    window, shuffled, come before those of the next. One window is held. `shard` is the one of each
    position, shape (n,).
    """

    def __init__(self, seed: int, epoch: int, shard: NDArray[np.int64], window: int) -> None:
        counts = np.bincount(shard)
        order = Permutation(len(counts), keys_of(seed, epoch, WINDOW_STREAM, ROUNDS))
        shards = order(np.arange(len(counts)))
        self._shard = shard
        self._windows = [shards[at : at + window] for at in range(0, len(counts), window)]
        sizes = [counts[window].sum() for window in self._windows]
        self._starts = np.cumsum([0, *sizes])
        self._keys = keys_of(seed, epoch, ORDER_STREAM, ROUNDS)
        self._number = -1

    def take(self, start: int, stop: int) -> NDArray[np.int64]:
        parts = [np.arange(0)]
        while start < stop:
            number = int(np.searchsorted(self._starts, start, side="right")) - 1
            first, end = self._starts[number : number + 2].tolist()
            parts.append(self._window(number)[start - first : stop - first])
            start = end
        return np.concatenate(parts)

    def _window(self, number: int) -> NDArray[np.int64]:
        """Return the positions of a window in their order."""
        if number != self._number:
            positions = np.flatnonzero(np.isin(self._shard, self._windows[number]))
            keys = mix(self._keys + np.array([number], np.uint64) * GOLDEN)
            shuffle = Permutation(len(positions), keys)
            self._positions, self._number = positions[shuffle(np.arange(len(positions)))], number
        return self._positions


def epoch_order(seed: int, epoch: int, shard: NDArray[np.int64], window: int) -> Order:
    """Return the order of an epoch of a set whose positions lie in these shards, shape (n,).

    In windows of so many shards, or of the whole set where `window` is 0 or takes all shards.
    """
    if window and window <= shard.max():
        return WindowedOrder(seed, epoch, shard, window)
    return ShuffledOrder(seed, epoch, len(shard))
