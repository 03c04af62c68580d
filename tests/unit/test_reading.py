"""Pictures become the same views one by one, in batches, in threads and in memory used again."""

import gc
import io
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from samples import encode, picture_of, view_picture, write_labelled, write_shards
from torchvision.transforms.v2 import functional

from mct.base.errors import UserError
from mct.base.partition import plan_batches
from mct.base.threads import Workers
from mct.data.augmentation import DRAWS, Viewer
from mct.data.images import (
    REDUCTIONS,
    Box,
    decode_plain,
    fitted_shape,
    jpeg_shape,
    mirror,
    reduce_box,
    reduction_for,
    resample,
    to_image,
)
from mct.data.imagesets import open_set
from mct.data.loading import BatchReader, OwnBuffers, PictureReader, Prefetcher, only_copies
from mct.data.order import draw_numbers
from mct.data.settings import ImageSettings
from mct.data.shards import open_shard

COPYING = ("none", "flip", "crop", "crop_flip")
DRAWN = st.integers(0, 2**24 - 1).map(lambda n: n / 2**24)


def draws_of(count: int) -> np.ndarray:
    """Return random numbers of views, shape (count, DRAWS)."""
    return draw_numbers(np.uint64(1), np.arange(count), DRAWS)


def smooth_picture(number: int, height: int, width: int) -> np.ndarray:
    """Return a picture without sharp edges, as photographs at a small scale are."""
    small = Image.fromarray(picture_of(number, 5, 6))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def jpeg(picture: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def view_of(viewer: Viewer, data: bytes, draws: np.ndarray) -> np.ndarray:
    view = np.zeros((viewer.size, viewer.size, 3), np.uint8)
    viewer.write_encoded(data, "a.jpg", draws, view)
    return view


def image_settings(size: int = 8, augmentation: str = "crop_flip") -> ImageSettings:
    return ImageSettings(size=size, augmentation=augmentation, mean=(0.5,) * 3, std=(0.25,) * 3)


@pytest.mark.parametrize("kind", COPYING)
@pytest.mark.parametrize("size", [8, 9, 32])
@given(data=st.data())
def test_a_batch_of_views_is_the_views_one_by_one(kind, size, data):
    count = data.draw(st.integers(0, 5))
    draws = data.draw(arrays(np.float32, (count, DRAWS), elements=DRAWN.map(np.float32)))
    pictures = np.array([picture_of(n, size, size) for n in range(count)], np.uint8)
    pictures = pictures.reshape(count, size, size, 3)
    viewer, views = Viewer(size=size, kind=kind), np.empty_like(pictures)
    viewer.view_many(pictures, draws, views)
    for view, picture, row in zip(views, pictures, draws, strict=True):
        np.testing.assert_array_equal(view, view_picture(viewer, picture, row))


@pytest.mark.parametrize("kind", [*COPYING, "resized_crop"])
@pytest.mark.parametrize("encoding", ["pixels", "encoded"])
def test_shards_give_the_views_of_their_pictures(tmp_path, kind, encoding):
    """However they keep them, and in any number of threads."""
    image_set = open_set("noisy", write_labelled(tmp_path, encoding, 3))
    viewer, positions = Viewer(size=8, kind=kind), np.array([7, 2, 9, 0, 1, 5])
    assert only_copies(image_set, viewer) == (encoding == "pixels" and kind != "resized_crop")
    draws = draws_of(len(positions))
    expected = [
        view_picture(viewer, picture_of(image_set.sample[p]), d)
        for p, d in zip(positions, draws, strict=True)
    ]
    for threads in (1, 4):
        views = np.zeros((len(positions), 8, 8, 3), np.uint8)
        PictureReader(image_set, viewer, threads).fill(positions, draws, views)
        np.testing.assert_array_equal(views, expected)


def test_damaged_pixels_are_found_in_a_batch(tmp_path):
    labels = write_labelled(tmp_path)
    path = tmp_path / "0-0000.h5"
    picture = picture_of(8).tobytes()
    path.write_bytes(path.read_bytes().replace(picture, picture[::-1]))
    image_set = open_set("clean", labels)
    with pytest.raises(UserError, match=r"0000\.h5: picture key-8: wrong checksum"):
        image_set.read_many(np.arange(len(image_set)))


@pytest.mark.parametrize("encoding", ["pixels", "encoded"])
def test_damage_is_raised_from_threads(tmp_path, encoding):
    labels = write_labelled(tmp_path, encoding)
    path = tmp_path / "0-0000.h5"
    shard, data = open_shard(path), bytearray(path.read_bytes())
    first = shard.fields["key"].tolist().index(b"key-8")
    data[shard.payload_start + shard.fields["offset"][first] + 10] ^= 1
    path.write_bytes(data)
    viewer = Viewer(size=8, kind="resized_crop")
    reader = PictureReader(open_set("clean", labels), viewer, threads=3)
    with pytest.raises(UserError, match="wrong checksum"):
        reader.fill(np.arange(5), draws_of(5), np.zeros((5, 8, 8, 3), np.uint8))


def test_a_shard_cut_after_it_was_opened_is_refused(tmp_path):
    path = write_shards(tmp_path, "encoded")[0]
    shard = open_shard(path)
    with path.open("r+b") as file:
        file.truncate(shard.payload_start + 10)
    with pytest.raises(UserError, match="wrong checksum"):
        shard.read(len(shard) - 1)


def test_shards_are_closed_when_nobody_needs_them(tmp_path):
    shard = open_shard(write_shards(tmp_path, "encoded")[0])
    number = shard.file
    os.fstat(number)
    del shard
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


@pytest.mark.parametrize(
    "options",
    [{}, {"quality": 30, "subsampling": 0}, {"subsampling": 1}, {"progressive": True}],
)
@pytest.mark.parametrize("shape", [(40, 56), (17, 33), (1, 1)])
def test_jpegs_are_decoded_to_pillows_pixels(options, shape):
    for picture in (smooth_picture(0, *shape), smooth_picture(1, *shape)[..., 0]):
        data = jpeg(picture, **options)
        expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        np.testing.assert_array_equal(decode_plain(data, "a.jpg"), expected)


@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (7, 5), (300, 240), (3, 20_000)])
def test_mirroring_exchanges_left_and_right(shape):
    picture = picture_of(0, *shape)
    np.testing.assert_array_equal(mirror(picture), picture[:, ::-1])


def test_resampling_and_mirroring_stay_in_their_thread():
    """Otherwise each of the loader's threads would start as many again."""
    before, picture = torch.get_num_threads(), picture_of(0, 300, 300)
    torch.set_num_threads(4)
    counts = []

    def work() -> None:
        counts.append(len(list(Path("/proc/self/task").iterdir())))
        resample(picture, (224, 224), mirrored=True)
        counts.append(len(list(Path("/proc/self/task").iterdir())))

    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        torch.set_num_threads(before)
    assert counts[0] == counts[1]


@pytest.mark.parametrize("cut", [2, 20, 300])
def test_a_cut_jpeg_is_refused_by_its_name(cut):
    data = jpeg(smooth_picture(0, 40, 56))
    with pytest.raises(UserError, match=r"a\.jpg: cannot be decoded as a picture"):
        decode_plain(data[:-cut], "a.jpg")


def test_a_png_and_a_jpeg_of_other_colours_have_no_shape_to_reduce():
    assert jpeg_shape(encode(picture_of(0))) is None
    ink = Image.fromarray(smooth_picture(0, 40, 56)).convert("CMYK")
    buffer = io.BytesIO()
    ink.save(buffer, "JPEG")
    assert jpeg_shape(buffer.getvalue()) is None
    expected = np.asarray(Image.open(io.BytesIO(buffer.getvalue())).convert("RGB"))
    np.testing.assert_array_equal(decode_plain(buffer.getvalue(), "ink.jpg", 2), expected)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(64, 96), (65, 97)])
def test_a_reduced_jpeg_is_about_its_resized_picture(reduction, shape):
    picture = smooth_picture(0, *shape)
    data = jpeg(picture, quality=95, subsampling=0)
    assert jpeg_shape(data) == shape
    reduced = decode_plain(data, "a.jpg", reduction)
    assert reduced.shape[:2] == tuple(-(-side // reduction) for side in shape)
    whole = Box(0, 0, 64, 96)
    resized = resample(whole.of(picture), (64 // reduction, 96 // reduction))
    part = reduce_box(whole, reduction, reduced).of(reduced)
    assert np.abs(part.astype(int) - resized).mean() < 6


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 20), st.booleans())
def test_resampling_is_torchvisions(height, width, size, mirrored):
    """Its functional transform has no place to write to, and takes seconds to import."""
    picture = picture_of(height + width, height, width)
    tensor = functional.resize(to_image(picture), [size, size], antialias=True)
    expected = (tensor.flip(-1) if mirrored else tensor)[0].permute(1, 2, 0)
    result = resample(picture[:, :], (size, size), mirrored=mirrored)
    difference = np.abs(result.astype(int) - expected.numpy())
    assert difference.max() <= (0 if "AVX2" in torch.backends.cpu.get_cpu_capability() else 1)


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(8, 300))
def test_reduction_leaves_enough_and_half_as_much_would_not_be(height, width, size):
    box, shape = Box(0, 0, height, width), fitted_shape(height, width, size)
    reduction = reduction_for(box, shape)
    if reduction > 1:
        assert height >= reduction * shape[0]
        assert width >= reduction * shape[1]
    if reduction < 8:
        assert height < 2 * reduction * shape[0] or width < 2 * reduction * shape[1]


@pytest.mark.parametrize("kind", ["none", "crop_flip", "resized_crop"])
def test_views_of_reduced_jpegs_are_about_those_of_whole_ones(kind):
    data = jpeg(smooth_picture(3, 300, 240), quality=95)
    for draws in draws_of(20):
        reduced, whole = (
            view_of(Viewer(size=16, kind=kind, reduced_decoding=wanted), data, draws)
            for wanted in (True, False)
        )
        assert np.abs(reduced.astype(int) - whole).mean() < 8


def test_small_jpegs_are_never_reduced():
    data = jpeg(smooth_picture(3, 30, 24))
    for draws in draws_of(20):
        views = [
            view_of(Viewer(size=16, kind="resized_crop", reduced_decoding=wanted), data, draws)
            for wanted in (True, False)
        ]
        np.testing.assert_array_equal(*views)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_workers_share_out_every_item_once(threads):
    seen: list[int] = []
    workers = Workers(threads)
    for _ in range(3):
        workers.each(seen.append, range(50))
    assert sorted(seen) == sorted(3 * list(range(50)))


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_a_worker_is_raised(threads):
    workers = Workers(threads)
    with pytest.raises(ZeroDivisionError):
        workers.each(lambda item: 1 // item, [3, 2, 1, 0, 1])
    workers.each(lambda item: 1 // item, [1, 2])


def test_memory_of_a_batch_is_used_again_when_nobody_refers_to_it():
    buffers = OwnBuffers()
    first = buffers.take(4, 8)
    address = first.ctypes.data
    tensor = torch.from_numpy(first).permute(0, 3, 1, 2)[1:]
    del first
    assert buffers.take(4, 8).ctypes.data != address, "a tensor still refers to the first"
    del tensor
    assert address in {buffers.take(3, 8).ctypes.data, buffers.take(4, 8).ctypes.data}


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("kept", [0, 1, 6])
def test_no_batch_in_use_is_overwritten(tmp_path, depth, kept):
    """A caller may keep any number of batches; of those it drops the memory comes back."""
    image_set = open_set("noisy", write_labelled(tmp_path, shards=2))
    plans = list(plan_batches(120, len(image_set), 5))
    reference = BatchReader(image_set, image_settings(), seed=0)
    expected = [reference.read(plan).images.clone() for plan in plans]
    reader = BatchReader(image_set, image_settings(), seed=0)
    used, addresses = [], set()
    for batch in Prefetcher(depth).map(reader.read, plans):
        addresses.add(batch.images.data_ptr())
        used = [*used, batch][-1 - kept :]
        for each in used:
            assert torch.equal(each.images, expected[each.plan.step])
    assert len(addresses) <= depth + kept + 4
