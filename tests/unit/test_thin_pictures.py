"""Long and thin pictures: seen as all others are, in memory that their views bound."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from samples import augment, encode, picture_of

from mct.data import images
from mct.data.augmentation import padded_crop
from mct.data.images import decode_plain, fit, fitted_shape, resample
from mct.data.pictures import decode, inspect, to_jpeg

SIDES = st.one_of(st.integers(1, 60), st.integers(60, 900))
SIZES = st.sampled_from([8, 20, 64, 70])


def cropped(picture: np.ndarray, size: int) -> np.ndarray:
    """Return the centre of a whole picture that is resized first."""
    whole = resample(picture, fitted_shape(*picture.shape[:2], size))
    top, left = (whole.shape[0] - size) // 2, (whole.shape[1] - size) // 2
    return whole[top : top + size, left : left + size]


@given(height=SIDES, width=SIDES, size=SIZES, number=st.integers(0, 9))
@example(height=1, width=900, size=8, number=0)
@example(height=900, width=1, size=70, number=0)
@example(height=97, width=5000, size=64, number=0)
@example(height=5000, width=97, size=70, number=0)
@example(height=8, width=400, size=8, number=0)
@example(height=30, width=31, size=20, number=0)
def test_the_centre_is_that_of_the_whole_picture_to_the_last_bit(height, width, size, number):
    picture = picture_of(number, height, width)
    if number % 2:
        picture = picture // 128 * 255
    np.testing.assert_array_equal(fit(picture, size), cropped(picture, size))


@given(height=SIDES, width=SIDES, size=SIZES)
def test_a_window_alone_gives_the_same_bits_for_ordinary_pictures_too(height, width, size):
    """Which of both ways is taken changes no pixel."""
    picture, most = picture_of(0, height, width), images.MOST_VIEWS
    images.MOST_VIEWS = 0
    try:
        np.testing.assert_array_equal(fit(picture, size), cropped(picture, size))
    finally:
        images.MOST_VIEWS = most


@pytest.mark.parametrize("shape", [(3, 700), (700, 3)])
def test_training_sees_a_thin_picture_as_it_is_evaluated_then_cropped_and_mirrored(shape):
    picture, draws = picture_of(1, *shape), np.array([0.9, 0.2, 0.1, 0.5, 0.5], np.float32)
    expected = padded_crop(cropped(picture, 16), draws)[:, ::-1]
    np.testing.assert_array_equal(augment(picture, 16, "crop_flip", draws), expected)


def test_thin_pictures_of_every_use_fit_into_little_memory():
    script = Path(__file__).with_name("view_thin_pictures.py")
    paths = [str(Path(images.__file__).parents[2]), str(Path(__file__).parent)]
    job = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert job.returncode == 0, job.stdout[-2000:] + job.stderr[-2000:]


@pytest.mark.parametrize("side", [65_500, 65_501, 65_535, 70_000])
@pytest.mark.parametrize("short_side", [None, 256])
def test_a_picture_too_long_for_a_jpeg_is_stored_all_the_same(side, short_side):
    """libjpeg ends at 65,500 pixels."""
    for height, width in ((2, side), (side, 2)):
        picture = np.full((height, width, 3), 200, np.uint8)
        data = encode(np.dstack([picture, picture[..., :1] * 0 + 255]))  # converted: transparent
        stored = to_jpeg(data, "a.png", short_side, 95)
        form = inspect(stored, "a")
        assert (form.height, form.width, form.conversions) == (height, width, ())
        assert form.format == ("JPEG" if side == 65_500 else "PNG")
        np.testing.assert_allclose(decode_plain(stored, "a"), picture, atol=2)


def test_a_long_picture_that_is_reduced_is_a_jpeg():
    stored = to_jpeg(encode(np.full((60, 66_000, 3), 90, np.uint8)), "a.png", 30, 95)
    image = Image.open(io.BytesIO(stored))
    assert (image.format, image.size) == ("JPEG", (33_000, 30))
    assert (abs(decode(stored, "a").astype(int) - 90) <= 2).all()
