"""A pair that decodes half a batch each has the batches it would read apart, and always ends."""

import threading
import time

import numpy as np
import pytest
import torch
from replicas import parameters_of, share_of
from test_calibration import calibrate, calibration_settings

from mct.base.errors import StageInterruptedError
from mct.base.partition import plan_batches
from mct.base.roles import Role
from mct.calibration.reading import pair_reader
from mct.calibration.settings import CalibrationSettings
from mct.data.imagesets import ImageSet
from mct.data.loading import BATCHES_IN_USE, Batch, BatchReader, Prefetcher
from mct.data.settings import ImageSettings
from mct.learning.settings import OptimizerSettings
from mct.parallel.comm import Topology
from mct.parallel.shared_batches import share_batches
from mct.stage.settings import ExecutionSettings

CLASSES, SIZE, SAMPLES = 4, 8, 41
IMAGES = ImageSettings(size=SIZE, augmentation="resized_crop", mean=(0.5,) * 3, std=(0.25,) * 3)


class CountingSet(ImageSet):
    """Random pictures in memory that count how often they are read."""

    def read(self, position: int) -> np.ndarray:
        READ.append(position)
        generator = np.random.default_rng(int(self.sample[position]))
        return generator.integers(0, 256, (12, 10, 3), np.uint8)


READ: list[int] = []


@pytest.fixture
def image_set() -> ImageSet:
    READ.clear()
    labels, nowhere = np.arange(SAMPLES) % CLASSES, np.zeros(SAMPLES, np.int64)
    return CountingSet(
        shards=[], shard=nowhere, index=nowhere, sample=np.arange(SAMPLES), label=labels,
        observed=labels, true=labels, in_clean=nowhere.astype(bool), classes=CLASSES,
    )  # fmt: skip


def settings_of(batch_size: int) -> CalibrationSettings:
    optimizer = OptimizerSettings(
        momentum=0.9, nesterov=True, weight_decay=0.0, batch_size=batch_size
    )
    return calibration_settings(images=IMAGES, optimizer=optimizer)


def reader_of(
    topology: Topology, image_set: ImageSet, batch_size: int, *, prefetch: int, shared: bool
) -> BatchReader:
    execution = ExecutionSettings(prefetch_batches=prefetch, share_batches=shared, loader_threads=2)
    reader = pair_reader(topology, image_set, settings_of(batch_size), execution)
    assert reader.shares == shared
    return reader


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


@pytest.mark.parametrize("prefetch", [0, 1, 3])
@pytest.mark.parametrize("batch_size", [1, 3, 10])
def test_shared_batches_are_those_read_apart(topology, image_set, batch_size, prefetch):
    """Also where a rank's part is empty, and while one rank is slower than the other."""
    apart = reader_of(topology, image_set, batch_size, prefetch=prefetch, shared=False)
    expected = [apart.read(plan) for plan in plan_batches(2 * SAMPLES, SAMPLES, batch_size)]
    READ.clear()
    reader = reader_of(topology, image_set, batch_size, prefetch=prefetch, shared=True)
    plans = plan_batches(2 * SAMPLES, SAMPLES, batch_size)
    batches = Prefetcher(prefetch, reader.cancel).map(reader.read, plans)
    generator = np.random.default_rng(topology.role.place)
    for batch, reference in zip(batches, expected, strict=True):
        time.sleep(0.002 * generator.random())
        assert torch.equal(batch.images, reference.images)
        assert torch.equal(batch.labels, reference.labels)
        np.testing.assert_array_equal(batch.positions, reference.positions)
    assert threads() == []
    read = sum(topology.pair_comm.allgather(len(READ)))
    assert read == sum(len(batch.images) for batch in expected), "each picture is read once"
    del batch, batches
    reader.free()


def test_a_loader_delivers_another_view_of_the_same_samples(topology, image_set):
    views = [
        BatchReader(
            image_set, IMAGES, seed=0, share=share_of(topology.group_comm),
            kind_of=lambda step, kind=kind: kind,
        ).read(next(plan_batches(SAMPLES, SAMPLES, 6 * topology.pairs)))
        for kind in ("", "none")
    ]  # fmt: skip
    np.testing.assert_array_equal(*(batch.positions for batch in views))
    assert torch.equal(*(batch.labels for batch in views))
    assert not any(
        torch.equal(*pair) for pair in zip(*(batch.images for batch in views), strict=True)
    )


def test_each_rank_reads_half(topology, image_set):
    reader = reader_of(topology, image_set, 4 * topology.pairs, prefetch=0, shared=True)
    batches = [
        len(reader.read(plan).images)
        for plan in plan_batches(SAMPLES // 12 * 12, SAMPLES, 4 * topology.pairs)
    ]
    assert abs(len(READ) - sum(batches) / 2) <= len(batches)
    reader.free()


def test_no_batch_in_use_is_overwritten_by_the_other_rank(topology, image_set):
    """Ma's rank keeps a batch while Mp's runs as far ahead as it can."""
    reader = reader_of(topology, image_set, 6, prefetch=2, shared=True)
    plans = plan_batches(5 * SAMPLES, SAMPLES, 6)
    for batch in Prefetcher(2, reader.cancel).map(reader.read, plans):
        before = batch.images.clone()
        if topology.role is Role.AUXILIARY and batch.plan.step % 5 == 0:
            time.sleep(0.02)
        assert torch.equal(batch.images, before)
    del batch
    reader.free()


@pytest.mark.parametrize("taken", [1, 7])
def test_both_stop_at_the_same_step_and_no_thread_remains(topology, image_set, taken):
    """As a signal makes them: the threads are at different batches then, one of them may wait."""
    reader = reader_of(topology, image_set, 6, prefetch=2, shared=True)
    batches = Prefetcher(2, reader.cancel).map(reader.read, plan_batches(999, SAMPLES, 6))
    for _ in range(taken):
        batch = next(batches)
        time.sleep(0.01 * topology.role.place)
    batches.close()
    assert threads() == []
    del batch, batches
    reader.free()


def test_a_reader_that_waits_for_the_other_rank_can_be_stopped(topology, image_set):
    """The other rank never reads, as if it were gone."""
    reader = reader_of(topology, image_set, 6, prefetch=2, shared=True)
    if topology.role is Role.AUXILIARY:
        batches = Prefetcher(2, reader.cancel).map(reader.read, plan_batches(99, SAMPLES, 6))
        taker = threading.Thread(target=take_one, args=(batches,), daemon=True)
        taker.start()
        time.sleep(0.05)
        began = time.monotonic()
        reader.cancel()
        taker.join(10)
        assert not taker.is_alive()
        assert time.monotonic() - began < 5
    topology.pair_comm.Barrier()
    reader.free()


def take_one(batches: object) -> None:
    with pytest.raises(InterruptedError, match="cancelled"):
        next(batches)


def test_batches_of_a_size_without_room_are_read_apart(topology):
    assert share_batches(topology, batches=3, batch_bytes=1 << 60, threaded=True) is None


def test_an_interrupted_calibration_with_shared_batches_ends_in_the_same_bits(
    topology, image_set, tmp_path_factory
):
    settings = settings_of(10)
    own = tmp_path_factory.mktemp("shared") if topology.world_comm.rank == 0 else None
    folder = topology.world_comm.bcast(own)

    def run(name: str, *, shared: bool, **changes: object) -> np.ndarray:
        reader = reader_of(topology, image_set, 10, prefetch=2, shared=shared)
        try:
            coupling = calibrate(
                topology, image_set, settings, folder / name, reader=reader, prefetch=2, **changes
            )
        finally:
            assert threads() == []
        return parameters_of(coupling.learner)

    apart = run("apart", shared=False)
    np.testing.assert_array_equal(run("together", shared=True), apart)
    with pytest.raises(StageInterruptedError, match="after step"):
        run("parts", shared=True, stop_after=5)
    np.testing.assert_array_equal(run("parts", shared=True), apart)
    topology.world_comm.Barrier()


def test_slots_are_few(topology, image_set):
    """A reader ahead waits for memory instead of taking more."""
    reader = reader_of(topology, image_set, 6, prefetch=1, shared=True)
    addresses = set()
    kept: list[Batch] = []
    for batch in Prefetcher(1, reader.cancel).map(reader.read, plan_batches(200, SAMPLES, 6)):
        addresses.add(batch.images.data_ptr())
        kept = [batch]
    assert len(addresses) <= 1 + BATCHES_IN_USE
    del batch
    kept.clear()
    reader.free()
