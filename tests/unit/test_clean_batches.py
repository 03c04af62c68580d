"""Clean samples of a step: which, in what order, and in which rank's part."""

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from samples import pixel_set

from mct.base.partition import GlobalBatch, Share
from mct.data.augmentation import STRONG_DRAWS
from mct.data.clean_batches import CleanBatch, CleanReader, Samples, clean_pieces
from mct.data.loading import Batch
from mct.data.settings import ImageSettings

IMAGES = ImageSettings(size=8, augmentation="crop_flip", mean=(0.5,) * 3, std=(0.25,) * 3)
SAMPLES = 7


def batch_of(images: torch.Tensor, strong: np.ndarray | None = None) -> Batch:
    count = len(images)
    return Batch(
        plan=GlobalBatch(step=0, epoch=0, start=0, stop=count), positions=np.arange(count),
        block=slice(count), images=images, labels=torch.zeros(count), strong=strong,
    )  # fmt: skip


def reader(count: int, ranks: int = 1, rank: int = 0, seed: int = 3) -> CleanReader:
    share = Share(ranks=ranks, rank=rank)
    return CleanReader(pixel_set(SAMPLES), IMAGES, count=count, seed=seed, share=share)


@given(st.integers(1, 20), st.integers(1, 12), st.integers(1, 9))
def test_steps_follow_each_other_in_passes_over_the_set(samples, count, steps):
    pieces = [piece for step in range(steps) for piece in clean_pieces(step, count, samples)]
    read = [piece.epoch * samples + i for piece in pieces for i in range(piece.start, piece.stop)]
    assert read == list(range(steps * count))
    assert all(piece.stop <= samples for piece in pieces)


@pytest.mark.parametrize("count", [3, 7, 16])
def test_a_pass_has_every_sample_once(count):
    """The labels of 7 pictures are 0, 1, 2 in turn: three, two and two of them."""
    labels = torch.cat([reader(count).read(step).labels for step in range(7)])
    for start in range(0, len(labels) - SAMPLES + 1, SAMPLES):
        counts = np.bincount(labels[start : start + SAMPLES], minlength=3)
        np.testing.assert_array_equal(counts, [3, 2, 2])


def test_any_step_can_be_read_without_those_before():
    in_order = reader(5)
    for step in range(4):
        batch = in_order.read(step)
    alone = reader(5).read(3)
    assert torch.equal(batch.images, alone.images)
    assert torch.equal(batch.labels, alone.labels)


@pytest.mark.parametrize("ranks", [2, 3, 9])
@pytest.mark.parametrize("step", [0, 1, 2])
def test_parts_of_all_ranks_are_the_samples_of_one(ranks, step):
    whole = reader(5).read(step)
    parts = [reader(5, ranks, rank).read(step) for rank in range(ranks)]
    assert {part.count for part in parts} == {whole.count} == {5}
    together = sorted(
        (int(label), image.tolist())
        for part in parts
        for label, image in zip(part.labels, part.images, strict=True)
    )
    expected = [(int(n), i.tolist()) for n, i in zip(whole.labels, whole.images, strict=True)]
    assert together == sorted(expected)


def test_none_are_read_without_a_set():
    images = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
    none = CleanReader(None, IMAGES, count=0, seed=0).read(5)
    assert (len(none.images), len(none.labels), none.count) == (0, 0, 0)
    assert Samples(noisy=batch_of(images), clean=none).pictures() == (images, None)


def test_clean_pictures_follow_the_noisy_ones():
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    clean = CleanBatch(images=images[:1] + 7, labels=torch.tensor([1]), count=1)
    joined, strong = Samples(noisy=batch_of(images), clean=clean).pictures()
    assert joined[:, 0, 0, 0].tolist() == [0, 0, 7]
    assert strong is None


def test_numbers_of_strong_views_follow_their_pictures():
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    own, others = np.arange(18.0).reshape(2, 9), np.full((1, 9), 5.0)
    clean = CleanBatch(images=images[:1], labels=torch.tensor([1]), count=1, strong=others)
    _, strong = Samples(noisy=batch_of(images, own), clean=clean).pictures()
    np.testing.assert_array_equal(strong, [*own, *others])


def test_clean_pictures_have_random_numbers_of_their_own_where_views_are_strong():
    strong = msgspec.structs.replace(IMAGES, strong_augmentation=0.5)
    reader = CleanReader(pixel_set(5), strong, count=4, seed=3)
    first, second = reader.read(0).strong, reader.read(1).strong
    assert first.shape == second.shape == (4, STRONG_DRAWS)
    assert len(np.unique(np.concatenate([first, second]), axis=0)) == 8
    parts = [
        CleanReader(pixel_set(5), strong, count=4, seed=3, share=Share(ranks=2, rank=rank))
        .read(1)
        .strong
        for rank in (0, 1)
    ]
    np.testing.assert_array_equal(np.concatenate(parts), second)
