"""Clean samples that join the noisy ones of a step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mct.base.errors import UserError
from mct.base.partition import GlobalBatch, Share, consecutive
from mct.data.imagesets import ImageSet, open_set
from mct.data.loading import ALONE, Batch, BatchReader, KindOf, as_configured
from mct.data.order import Draws
from mct.data.settings import ImageSettings

Rows = tuple[slice, ...]
"""The samples of a pass, as parts of a rank's samples."""


@dataclass(frozen=True, kw_only=True)
class CleanBatch:
    """A rank's part of the clean samples of a step, which may be empty.

    `images` (uint8, shape (b, 3, size, size)), `labels` (int64, shape (b,)) and `strong` (the random
    numbers of strong views, as in `Batch`) are the rank's; `count` is the number of all ranks of its
    model together. `rows` are the samples of each pass, as in `Batch`.
    """

    images: Tensor
    labels: Tensor
    count: int
    strong: Draws | None = None
    rows: tuple[slice, ...] = ()

    def part(self, rows: slice) -> "CleanBatch":
        """Return some of the rank's samples, as one pass has them."""
        strong = None if self.strong is None else self.strong[rows]
        images, labels = self.images[rows], self.labels[rows]
        return replace(self, images=images, labels=labels, strong=strong, rows=())


class CleanReader:
    """Reads `count` clean samples for each step, whatever the number of ranks.

    Step t has the samples t x count to (t + 1) x count of an endless row of passes over the set,
    each in an order of its own; so any step can be read without those before. None are read
    without a set.
    """

    def __init__(
        self,
        image_set: ImageSet | None,
        settings: ImageSettings,
        *,
        count: int,
        seed: int,
        share: Share = ALONE,
        kind_of: KindOf = as_configured,
    ) -> None:
        self._size, self._count = settings.size, count if image_set else 0
        self._passes = share.passes
        if image_set:
            self._reader = BatchReader(image_set, settings, seed=seed, share=share, kind_of=kind_of)
            self._samples = len(image_set)

    def read(self, step: int) -> CleanBatch:
        """Return this rank's part of a step's clean samples."""
        if not self._count:
            images = torch.empty(0, 3, self._size, self._size, dtype=torch.uint8)
            labels = torch.empty(0, dtype=torch.int64)
            rows = (slice(0, 0),) * self._passes
            return CleanBatch(images=images, labels=labels, count=0, rows=rows)
        pieces = [
            self._reader.read(plan) for plan in clean_pieces(step, self._count, self._samples)
        ]
        passes = by_pass(pieces)
        parts = [part for parts in passes for part in parts]
        return CleanBatch(
            images=torch.cat([part.images for part in parts]),
            labels=torch.cat([part.labels for part in parts]),
            count=self._count,
            strong=stack([part.strong for part in parts]),
            rows=consecutive(sum(len(part.labels) for part in parts) for parts in passes),
        )


def open_clean_reader(
    index: Path, settings: ImageSettings, *, count: int, seed: int, share: Share, kind_of: KindOf
) -> CleanReader:
    """Return a reader of the clean set, not opened if `count` is 0; UserError if the set has no pictures."""
    features = settings.stores_features
    image_set = open_set("clean", index, features=features) if count else None
    if image_set is not None and not len(image_set):
        raise UserError(f"{index}: the clean set has no pictures; set clean_per_batch to 0")
    return CleanReader(image_set, settings, count=count, seed=seed, share=share, kind_of=kind_of)


def by_pass(pieces: Sequence[Batch]) -> list[list[Batch]]:
    """Return what each pass has of a rank's pieces."""
    passes = zip(*(piece.rows for piece in pieces), strict=True)
    return [
        [piece.part(rows) for piece, rows in zip(pieces, of_pass, strict=True)]
        for of_pass in passes
    ]


def clean_pieces(step: int, count: int, samples: int) -> Iterator[GlobalBatch]:
    """Yield a step's `count` samples of passes over `samples`, cut where a pass ends."""
    first, last = step * count, (step + 1) * count
    while first < last:
        epoch, start = divmod(first, samples)
        size = min(samples - start, last - first)
        yield GlobalBatch(step=step, epoch=epoch, start=start, stop=start + size)
        first += size


@dataclass(frozen=True, kw_only=True)
class Samples:
    """What a rank learns from in a step: b samples of the noisy batch, then c clean ones."""

    noisy: Batch
    clean: CleanBatch

    @property
    def plan(self) -> GlobalBatch:
        """The step's global batch of noisy samples."""
        return self.noisy.plan

    @property
    def count(self) -> int:
        """How many samples all ranks of the model have together."""
        return self.plan.size + self.clean.count

    @property
    def labels(self) -> Tensor:
        """The labels, int64 (b + c,)."""
        return torch.cat([self.noisy.labels, self.clean.labels])

    @property
    def rows(self) -> list[Rows]:
        """The samples of each pass, noisy and clean ones, where there are several passes."""
        if len(self.noisy.rows) < 2:
            return []
        first = len(self.noisy.labels)
        clean = [slice(first + own.start, first + own.stop) for own in self.clean.rows]
        return list(zip(self.noisy.rows, clean, strict=True))

    def passes(self) -> list["Samples"]:
        """Return the samples of each pass, as a rank with this pass alone would have read them."""
        parts = zip(self.noisy.rows, self.clean.rows, strict=True)
        return [
            Samples(noisy=self.noisy.part(noisy), clean=self.clean.part(clean))
            for noisy, clean in parts
        ]

    def pictures(self) -> tuple[Tensor, Draws | None]:
        """Return the pictures, uint8 (b + c, 3, size, size), and their strong views' numbers."""
        if not len(self.clean.images):
            return self.noisy.images, self.noisy.strong
        images = torch.cat([self.noisy.images, self.clean.images])
        return images, stack([self.noisy.strong, self.clean.strong])


class SampleReader:
    """Reads what a rank learns from in each step; the noisy batches' reader cancels and frees."""

    def __init__(self, noisy: BatchReader, clean: CleanReader) -> None:
        self._noisy, self._clean = noisy, clean
        self.cancel, self.free = noisy.cancel, noisy.free

    def read(self, plan: GlobalBatch) -> Samples:
        """Return a step's samples; plans come in the order of epochs."""
        return Samples(noisy=self._noisy.read(plan), clean=self._clean.read(plan.step))

    @property
    def shares(self) -> bool:
        """Whether other ranks read a part of each noisy batch."""
        return self._noisy.shares


def stack(parts: list[Draws | None]) -> Draws | None:
    """Return random numbers of strong views one after the other, None where there are none."""
    drawn = [part for part in parts if part is not None]
    return np.concatenate(drawn) if drawn else None
