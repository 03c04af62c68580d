"""Batches, read in the order of an epoch and prepared ahead of time.

The order is a function of (seed, epoch); global batch t is a block of it, and ranks take blocks of
the batch. So the samples of a step are the same for every number of ranks. See `order`.
"""

import queue
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mct.base.partition import GlobalBatch, Share, block
from mct.base.threads import Workers
from mct.data.augmentation import DRAWS, STRONG_DRAWS, Viewer
from mct.data.imagesets import ImageSet
from mct.data.order import (
    AUGMENTATION_STREAM,
    STRONG_STREAM,
    Draws,
    draw_numbers,
    epoch_order,
    keys_of,
)
from mct.data.pictures import Picture
from mct.data.settings import ImageSettings

S = TypeVar("S")
T = TypeVar("T")
ALONE = Share()
KindOf = Callable[[int], str]
"""The kind of augmentation in a step of a training; empty for the configured one."""
BATCHES_IN_USE = 3
"""Besides those that a prefetcher holds ready: in training, just trained on, and being read."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A rank's block of a global batch.

    `positions` (int64 array, shape (B,)) are the whole global batch's positions in the set;
    `images` (uint8 tensor, shape (b, 3, size, size), or features, float32 (b, d)) and `labels` (int64
    tensor, shape (b,)) are those of the rank's `block` alone, and may be empty. The memory of pictures
    is used for a later batch when nothing refers to it any more. `strong` are the random numbers of the
    block's strong views, shape (b, STRONG_DRAWS), None where models learn from the images as they are.
    `rows` are the samples of each pass over the block; without them there is one pass.
    """

    plan: GlobalBatch
    positions: NDArray[np.int64]
    block: slice
    images: Tensor
    labels: Tensor
    strong: Draws | None = None
    rows: tuple[slice, ...] = ()

    @property
    def local(self) -> NDArray[np.int64]:
        """The positions of the rank's block, shape (b,)."""
        return self.positions[self.block]

    def part(self, rows: slice) -> "Batch":
        """Return some of the rank's samples, as the block of a pass."""
        first = self.block.start
        return replace(
            self,
            block=slice(first + rows.start, first + rows.stop),
            images=self.images[rows],
            labels=self.labels[rows],
            strong=None if self.strong is None else self.strong[rows],
            rows=(),
        )


def only_copies(image_set: ImageSet, viewer: Viewer) -> bool:
    """Return whether views are crops of stored pixels, or features: nothing is decoded or resampled."""
    is_fitted = image_set.pixel_size == viewer.size and not viewer.resamples
    return image_set.holds_features or is_fitted


class PictureReader:
    """Reads, decodes and augments pictures of a set, in `threads` threads."""

    def __init__(self, image_set: ImageSet, viewer: Viewer, threads: int) -> None:
        self._set, self._viewer, self._workers = image_set, viewer, Workers(threads)
        self._copies = only_copies(image_set, viewer)

    def fill(self, positions: NDArray[np.int64], draws: Draws, views: Picture) -> None:
        """Write the views of pictures; the first axis of all arrays is the same.

        `draws` are the random numbers of each sample, shape (b, DRAWS); `views` is the result,
        uint8 (b, size, size, 3).
        """
        if self._copies:
            self._viewer.view_many(self._set.read_many(positions), draws, views)
            return

        def write(place: int) -> None:
            self._write(int(positions[place]), draws[place], views[place])

        self._workers.each(write, self._set.in_storage_order(positions).tolist())

    def _write(self, position: int, draws: Draws, view: Picture) -> None:
        if self._set.is_encoded:
            self._viewer.write_encoded(*self._set.read_encoded(position), draws, view)
        else:
            self._viewer.write(self._set.read(position), draws, view)


def as_configured(step: int) -> str:
    """Return the kind of augmentation of a training that never changes it."""
    return ""


class Buffers(Protocol):
    """Memory of batches that `parts` readers fill together, this one as number `part`."""

    parts: int
    part: int

    def take(self, count: int, size: int) -> Picture:
        """Return an unused array for a batch, uint8 (count, size, size, 3), of any content.

        It is not used for another batch as long as it, or a tensor made of it, is referred to.
        """

    def complete(self) -> None:
        """Return when all parts of the array that was taken last are filled, this one's included."""

    def cancel(self) -> None:
        """Make `take` and `complete` end in an error, now and from now on; from any thread."""

    def free(self) -> None:
        """Free what several ranks share. Collective."""


class OwnBuffers:
    """Buffers that one reader fills alone; as many as are in use at the same time."""

    parts, part = 1, 0

    def __init__(self) -> None:
        self._unused: list[Picture] = []

    def take(self, count: int, size: int) -> Picture:
        buffer = self._unused.pop() if self._unused else np.empty(0, np.uint8)
        if buffer.size < count * size * size * 3:
            buffer = np.empty(count * size * size * 3, np.uint8)
        batch = buffer[: count * size * size * 3].reshape(count, size, size, 3)
        weakref.finalize(batch, self._unused.append, buffer).atexit = False
        return batch

    def complete(self) -> None:
        """Do nothing: nobody waits here, and nothing is shared."""

    cancel = free = complete


class BatchReader:
    """Reads and augments one rank's blocks of global batches.

    With `buffers` that several ranks fill together, each reads its part of the block, and all of
    them must read the same plans. `kind_of` depends on the step alone, so that ranks which read a
    batch together, ahead of time or after a checkpoint, all see the same views.
    """

    def __init__(
        self,
        image_set: ImageSet,
        settings: ImageSettings,
        *,
        seed: int,
        share: Share = ALONE,
        shuffle_window: int = 0,
        buffers: Buffers | None = None,
        kind_of: KindOf = as_configured,
    ):
        self._set, self._settings, self._seed = image_set, settings, seed
        self._is_strong, self._kind_of = settings.strong_augmentation > 0, kind_of
        self._share, self._window = share, shuffle_window
        self._pictures: dict[str, PictureReader] = {}
        self._buffers: Buffers = buffers or OwnBuffers()
        self._epoch = -1

    def read(self, plan: GlobalBatch) -> Batch:
        """Return this rank's block of a global batch."""
        if plan.epoch != self._epoch:
            self._begin_epoch(plan.epoch)
        positions = self._order.take(plan.start, plan.stop)
        own = self._share.block(plan.size)
        local = positions[own]
        part = slice(*block(len(local), self._buffers.parts, self._buffers.part))
        following = self._order.take(plan.stop, min(plan.stop + plan.size, len(self._set)))
        self._set.expect(following[own][part])
        return Batch(
            plan=plan,
            positions=positions,
            block=own,
            images=self._images(local, part, self._kind_of(plan.step)),
            labels=torch.from_numpy(self._set.label[local]),
            strong=draw_numbers(self._strong_key, self._set.sample[local], STRONG_DRAWS)
            if self._is_strong
            else None,
            rows=self._share.rows(plan.size),
        )

    def _images(self, local: NDArray[np.int64], part: slice, kind: str) -> Tensor:
        """Return the images of a block, of which this reader fills a part; or their features."""
        draws = draw_numbers(self._key, self._set.sample[local], DRAWS)
        if self._set.holds_features:
            return read_features(self._set, local, draws)
        views = self._buffers.take(len(local), self._settings.size)
        self._pictures_of(kind).fill(local[part], draws[part], views[part])
        self._buffers.complete()
        return to_tensor(views)

    def _pictures_of(self, kind: str) -> PictureReader:
        """Return the reader of views of a kind."""
        if kind not in self._pictures:
            viewer = Viewer.of(self._settings, kind)
            self._pictures[kind] = PictureReader(self._set, viewer, self._share.threads)
        return self._pictures[kind]

    def cancel(self) -> None:
        """End a `read` that waits for other ranks, with an error; from any thread, for good."""
        self._buffers.cancel()

    @property
    def shares(self) -> bool:
        """Whether other ranks read a part of each batch."""
        return self._buffers.parts > 1

    def free(self) -> None:
        """Free the memory of batches, none of which may be used any more. Collective if it `shares`."""
        self._buffers.free()

    def _begin_epoch(self, epoch: int) -> None:
        self._order = epoch_order(self._seed, epoch, self._set.shard, self._window)
        streams = (AUGMENTATION_STREAM, STRONG_STREAM + AUGMENTATION_STREAM)
        self._key, self._strong_key = (
            keys_of(self._seed, epoch, stream, 1)[0] for stream in streams
        )
        self._epoch = epoch


def to_tensor(views: Picture) -> Tensor:
    """Return pictures (b, size, size, 3) as a tensor (b, 3, size, size), channels last, uncopied."""
    return torch.from_numpy(views).permute(0, 3, 1, 2)


def read_features(image_set: ImageSet, positions: NDArray[np.int64], draws: Draws) -> Tensor:
    """Return features of pictures, float32 (b, d): of each the view that its first number draws.

    `draws` are numbers in [0, 1), shape (b, DRAWS); 0 draws the view of an evaluation.
    """
    features = image_set.read_many(positions)
    views = (draws[:, 0] * features.shape[1]).astype(np.int64)
    return torch.from_numpy(features[np.arange(len(views)), views])


def read_for_evaluation(
    image_set: ImageSet, settings: ImageSettings, batch_size: int, *, threads: int, prefetch: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield images and labels of a whole set in its order, without augmentation; or their features."""
    viewer = Viewer.of(settings, kind="none")
    pictures, buffers = PictureReader(image_set, viewer, threads), OwnBuffers()

    def read(start: int) -> tuple[Tensor, Tensor]:
        positions = np.arange(start, min(start + batch_size, len(image_set)))
        draws = np.zeros((len(positions), DRAWS), np.float32)
        if image_set.holds_features:
            images = read_features(image_set, positions, draws)
        else:
            views = buffers.take(len(positions), settings.size)
            pictures.fill(positions, draws, views)
            images = to_tensor(views)
        return images, torch.from_numpy(image_set.label[positions])

    return Prefetcher(prefetch).map(read, range(0, len(image_set), batch_size))


class Prefetcher:
    """Applies a function to items in a background thread, up to `depth` results ahead.

    The paper's double-thread prefetch: the next batch is read while this one is trained on. Depth
    0 reads in step. `waited_seconds` is the time that the caller waited for results. `cancel` ends
    a function that waits for something else, when nobody wants results any more.
    """

    def __init__(self, depth: int, cancel: Callable[[], None] = lambda: None) -> None:
        self.depth, self._cancel = depth, cancel
        self.waited_seconds = 0.0

    def map(self, function: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
        """Yield `function(item)` in order; an error in the thread is raised here."""
        results = self._read_ahead(function, items) if self.depth else map(function, items)
        while True:
            began = perf_counter()
            try:
                result = next(results)
            except StopIteration:
                return
            self.waited_seconds += perf_counter() - began
            yield result

    def _read_ahead(self, function: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
        results: queue.Queue[Future[T] | None] = queue.Queue(self.depth)
        stopped = threading.Event()
        arguments = (function, items, results, stopped)
        thread = threading.Thread(target=_produce, args=arguments, name="prefetch", daemon=True)
        thread.start()
        try:
            while (result := results.get()) is not None:
                yield result.result()
        finally:
            stopped.set()
            self._cancel()
            while thread.is_alive():
                while not results.empty():
                    results.get_nowait()
                thread.join(0.01)


def _produce(
    function: Callable[[S], T],
    items: Iterable[S],
    results: "queue.Queue[Future[T] | None]",
    stopped: threading.Event,
) -> None:
    """Put each result, then the error that ended them if there was one, and None at the end."""
    result: Future[T] = Future()
    try:
        for item in items:
            if stopped.is_set():
                return
            result.set_result(function(item))
            results.put(result)
            result = Future()
    except BaseException as error:
        result.set_exception(error)
        results.put(result)
    results.put(None)
