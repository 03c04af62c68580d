"""The order of samples, and batches prepared ahead of time.

The order is a function of (seed, epoch); global batch t is a block of it, and ranks take blocks of
the batch. So the samples of a step are the same for every number of ranks.
"""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mct.images import ORDER_STREAM, Picture, augment, draw_parameters, fit, keyed_generator
from mct.imagesets import ImageSet
from mct.partition import GlobalBatch, block
from mct.settings import ImageSettings

S = TypeVar("S")
T = TypeVar("T")


def epoch_order(seed: int, epoch: int, samples: int) -> NDArray[np.int64]:
    """Return the positions of a set in the order of one epoch, shape (samples,)."""
    return keyed_generator(seed, epoch, ORDER_STREAM).permutation(samples)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A rank's block of a global batch.

    `positions` (int64 array, shape (B,)) are the whole global batch's positions in the set;
    `images` (uint8 tensor, shape (b, 3, size, size)) and `labels` (int64 tensor, shape (b,)) are
    those of the block `start` to `stop` alone, and may be empty.
    """

    plan: GlobalBatch
    positions: NDArray[np.int64]
    start: int
    stop: int
    images: Tensor
    labels: Tensor


class BatchReader:
    """Reads and augments one rank's blocks of global batches."""

    def __init__(
        self, image_set: ImageSet, settings: ImageSettings, *, seed: int, ranks: int, rank: int
    ):
        self._set, self._settings, self._seed = image_set, settings, seed
        self._ranks, self._rank = ranks, rank
        self._epoch = -1

    def read(self, plan: GlobalBatch) -> Batch:
        """Return this rank's block of a global batch; plans come in the order of epochs."""
        if plan.epoch != self._epoch:
            self._begin_epoch(plan.epoch)
        positions = self._order[plan.start : plan.stop]
        start, stop = block(plan.size, self._ranks, self._rank)
        mine = positions[start:stop]
        views = [self._view(position) for position in mine]
        return Batch(
            plan=plan,
            positions=positions,
            start=start,
            stop=stop,
            images=stack(views, self._settings.size),
            labels=torch.from_numpy(self._set.label[mine]),
        )

    def _begin_epoch(self, epoch: int) -> None:
        self._order = epoch_order(self._seed, epoch, len(self._set))
        self._draws = draw_parameters(self._seed, epoch, int(self._set.sample.max()) + 1)
        self._epoch = epoch

    def _view(self, position: int) -> Picture:
        draws = self._draws[self._set.sample[position]]
        return augment(
            self._set.read(position), self._settings.size, self._settings.augmentation, draws
        )


def stack(pictures: list[Picture], size: int) -> Tensor:
    """Return pictures as one uint8 tensor (b, 3, size, size), channels last; it may be empty."""
    images = np.empty((len(pictures), size, size, 3), np.uint8)
    for image, picture in zip(images, pictures, strict=True):
        image[:] = picture
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def read_for_evaluation(
    image_set: ImageSet, size: int, batch_size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield images and labels of a whole set in its order, without augmentation."""
    for start in range(0, len(image_set), batch_size):
        positions = range(start, min(start + batch_size, len(image_set)))
        pictures = [fit(image_set.read(position), size) for position in positions]
        yield (
            stack(pictures, size),
            torch.from_numpy(image_set.label[positions.start : positions.stop]),
        )


class Prefetcher:
    """Applies a function to items in a background thread, up to `depth` results ahead.

    The paper's double-thread prefetch: the next batch is read while this one is trained on. Depth
    0 reads in step. `waited_seconds` is the time that the caller waited for results.
    """

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self.waited_seconds = 0.0

    def map(self, function: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
        """Yield `function(item)` in order; an error in the thread is raised here."""
        results = self._read_ahead(function, items) if self._depth else map(function, items)
        while True:
            began = perf_counter()
            try:
                result = next(results)
            except StopIteration:
                return
            self.waited_seconds += perf_counter() - began
            yield result

    def _read_ahead(self, function: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
        results: queue.Queue[Callable[[], T] | None] = queue.Queue(self._depth)
        stopped = threading.Event()
        arguments = (function, items, results, stopped)
        thread = threading.Thread(target=_produce, args=arguments, name="prefetch", daemon=True)
        thread.start()
        try:
            while (result := results.get()) is not None:
                yield result()
        finally:
            stopped.set()
            while thread.is_alive():
                _drain(results)
                thread.join(0.01)


def _produce(
    function: Callable[[S], T],
    items: Iterable[S],
    results: "queue.Queue[Callable[[], T] | None]",
    stopped: threading.Event,
) -> None:
    """Put each result, or the error that stands for it, and None at the end."""
    try:
        for item in items:
            if stopped.is_set():
                return
            result = function(item)
            results.put(lambda result=result: result)  # type: ignore[misc]
    except BaseException as error:
        results.put(lambda error=error: _raise(error))  # type: ignore[misc]
    results.put(None)


def _raise(error: BaseException) -> T:  # type: ignore[type-var]
    raise error


def _drain(results: queue.Queue) -> None:
    while not results.empty():
        results.get_nowait()
