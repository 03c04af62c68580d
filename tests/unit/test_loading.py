"""Order and batches do not depend on ranks or prefetch; a prefetcher hides its thread."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from samples import augment, picture_of, pixel_set, write_labelled

from mct.base.partition import Share, plan_batches
from mct.data.augmentation import DRAWS, STRONG_DRAWS
from mct.data.imagesets import open_set
from mct.data.loading import (
    Batch,
    BatchReader,
    Prefetcher,
    read_for_evaluation,
    to_tensor,
)
from mct.data.order import AUGMENTATION_STREAM, STRONG_STREAM, draw_numbers, epoch_order, keys_of
from mct.data.settings import ImageSettings

SETTINGS = ImageSettings(size=8, augmentation="crop_flip", mean=(0.5,) * 3, std=(0.25,) * 3)


def batches_of(
    count: int, *, ranks: int, batch_size: int = 5, epochs: int = 2, prefetch: int = 0
) -> list[list[Batch]]:
    """Return each rank's batches of a set of `count` pictures."""
    readers = [
        BatchReader(pixel_set(count), SETTINGS, seed=3, share=Share(ranks=ranks, rank=rank))
        for rank in range(ranks)
    ]
    plans = list(plan_batches(epochs * count, count, batch_size))
    return [list(Prefetcher(prefetch).map(reader.read, plans)) for reader in readers]


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_a_windowed_epoch_is_read_once_by_any_number_of_ranks(tmp_path, ranks):
    image_set = open_set("noisy", write_labelled(tmp_path, shards=4))
    readers = [
        BatchReader(
            image_set, SETTINGS, seed=3, share=Share(ranks=ranks, rank=rank), shuffle_window=2
        )
        for rank in range(ranks)
    ]
    seen: list[int] = []
    for plan in plan_batches(len(image_set), len(image_set), 4):
        parts = [reader.read(plan) for reader in readers]
        seen += np.concatenate([part.local for part in parts]).tolist()
    np.testing.assert_array_equal(seen, epoch_order(3, 0, image_set.shard, 2).take(0, len(seen)))
    assert sorted(seen) == list(range(len(image_set)))


@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 12))
def test_blocks_of_all_ranks_are_each_epoch_once(count, ranks, batch_size):
    """Also where the last batch of an epoch has fewer samples than there are ranks."""
    seen = [[], []]
    for parts in zip(*batches_of(count, ranks=ranks, batch_size=batch_size), strict=True):
        positions = parts[0].positions
        assert all(np.array_equal(part.positions, positions) for part in parts)
        blocks = [part.local for part in parts]
        assert [len(part.images) for part in parts] == [len(part.labels) for part in parts]
        assert [len(part.images) for part in parts] == [len(block) for block in blocks]
        seen[parts[0].plan.epoch] += np.concatenate(blocks).tolist()
    assert sorted(seen[0]) == sorted(seen[1]) == list(range(count))


@pytest.mark.parametrize("prefetch", [0, 1, 3])
@pytest.mark.parametrize("ranks", [1, 2, 3, 7])
def test_same_pictures_and_labels_for_any_number_of_ranks_and_prefetch(ranks, prefetch):
    reference = batches_of(13, ranks=1)[0]
    for whole, parts in zip(
        reference, zip(*batches_of(13, ranks=ranks, prefetch=prefetch), strict=True), strict=True
    ):
        assert torch.equal(torch.cat([part.images for part in parts]), whole.images)
        assert torch.equal(torch.cat([part.labels for part in parts]), whole.labels)


def test_a_picture_is_augmented_by_its_sample_number():
    image_set = pixel_set(6)
    for batch in batches_of(6, ranks=1)[0]:
        key = keys_of(3, batch.plan.epoch, AUGMENTATION_STREAM, 1)[0]
        for image, label, position in zip(batch.images, batch.labels, batch.positions, strict=True):
            sample = image_set.sample[position]
            drawn = draw_numbers(key, np.array([sample]), DRAWS)
            view = augment(picture_of(sample), 8, "crop_flip", drawn[0])
            np.testing.assert_array_equal(image.permute(1, 2, 0), view)
            assert label == image_set.label[position]


def test_a_reader_that_starts_in_the_middle_reads_the_same():
    reference = batches_of(13, ranks=1)[0]
    reader = BatchReader(pixel_set(13), SETTINGS, seed=3)
    assert torch.equal(reader.read(reference[4].plan).images, reference[4].images)


def test_the_augmentation_of_a_step_may_be_another():
    """Whatever is read before it, as after a checkpoint."""
    flips = replace(SETTINGS, augmentation="flip")
    plans = list(plan_batches(26, 13, 5))
    expected = [
        BatchReader(pixel_set(13), flips if plan.step in (2, 4) else SETTINGS, seed=3).read(plan)
        for plan in plans
    ]
    kinds = {2: "flip", 4: "flip"}
    reader = BatchReader(pixel_set(13), SETTINGS, seed=3, kind_of=lambda step: kinds.get(step, ""))
    for plan, batch in reversed(list(zip(plans, expected, strict=True))):
        assert torch.equal(reader.read(plan).images, batch.images)


@pytest.mark.parametrize("ranks", [1, 3])
def test_numbers_of_strong_views_depend_on_seed_epoch_and_sample_alone(ranks):
    strong, image_set = replace(SETTINGS, strong_augmentation=1.0), pixel_set(13)
    plans = list(plan_batches(26, 13, 5))
    readers = [
        BatchReader(image_set, strong, seed=3, share=Share(ranks=ranks, rank=rank))
        for rank in range(ranks)
    ]
    for plan in plans:
        parts = [reader.read(plan) for reader in readers]
        stream = STRONG_STREAM + AUGMENTATION_STREAM
        key = keys_of(3, plan.epoch, stream, 1)[0]
        drawn = np.concatenate([part.strong for part in parts])
        samples = image_set.sample[parts[0].positions]
        np.testing.assert_array_equal(drawn, draw_numbers(key, samples, STRONG_DRAWS))


def test_tensors_are_channels_first_in_order_and_may_be_empty():
    pictures = np.stack([picture_of(number) for number in range(3)])
    images = to_tensor(pictures)
    np.testing.assert_array_equal(images.permute(0, 2, 3, 1), pictures)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert to_tensor(pictures[:0]).shape == (0, 3, 8, 8)


@pytest.mark.parametrize("batch_size", [1, 4, 10, 99])
def test_evaluation_reads_the_whole_set_in_its_order(batch_size):
    image_set = pixel_set(10)
    batches = read_for_evaluation(image_set, SETTINGS, batch_size, threads=2, prefetch=1)
    images, labels = map(torch.cat, zip(*batches, strict=True))
    np.testing.assert_array_equal(labels, image_set.label)
    expected = np.stack([image_set.read(position) for position in range(10)])
    np.testing.assert_array_equal(images.permute(0, 2, 3, 1), expected)


@given(st.integers(0, 4), st.lists(st.integers(), max_size=30))
def test_prefetching_maps_in_order_at_any_depth(depth, items):
    assert list(Prefetcher(depth).map(str, items)) == [str(item) for item in items]


@pytest.mark.parametrize("depth", [0, 1, 4])
def test_an_error_is_raised_to_the_caller_after_the_results_before_it(depth):
    results = Prefetcher(depth).map(lambda item: 1 // item, [1, 1, 0, 1])
    assert [next(results), next(results)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert threads() == []


@pytest.mark.parametrize("depth", [0, 2])
def test_an_error_of_the_items_is_raised_too(depth):
    def items() -> Iterator[int]:
        yield 1
        raise LookupError("no more")

    results = Prefetcher(depth).map(str, items())
    assert next(results) == "1"
    with pytest.raises(LookupError, match="no more"):
        next(results)


@pytest.mark.parametrize("taken", [1, 3])
@pytest.mark.parametrize("depth", [1, 4])
def test_abandoning_the_results_ends_the_thread(depth, taken):
    results = Prefetcher(depth).map(str, iter(int, 1))
    assert [next(results) for _ in range(taken)] == ["0"] * taken
    assert len(threads()) == 1
    results.close()
    assert threads() == []


@pytest.mark.parametrize("depth", [1, 3])
def test_results_are_read_ahead_but_no_further_than_the_depth(depth):
    asked = []
    results = Prefetcher(depth).map(asked.append, range(100))
    next(results)
    deadline = time.monotonic() + 10
    while len(asked) < depth + 1 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    # One taken, `depth` waiting in the queue, one that waits to enter it.
    assert depth + 1 <= len(asked) <= depth + 2
    results.close()


def test_waiting_for_results_is_measured():
    prefetcher = Prefetcher(0)
    list(prefetcher.map(time.sleep, [0.01] * 3))
    assert prefetcher.waited_seconds >= 0.03
