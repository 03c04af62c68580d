"""Files of every sort: converted right, or refused with their kind; damaged ones never crash."""

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from samples import encode, picture_of

from mct.base.errors import BrokenPictureError
from mct.data import pictures
from mct.data.pictures import decode, inspect, to_jpeg

HEIGHT, WIDTH = 24, 40


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """Return an image as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def smooth(height: int = HEIGHT, width: int = WIDTH) -> Image.Image:
    """Return a picture whose corners all differ, without fine detail: red grows right, green down."""
    rows, columns = np.indices((height, width))
    pixels = np.stack([columns * 255 / width, rows * 255 / height, 0 * rows + 60], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))


REFERENCE = np.asarray(smooth()).astype(int)
GREY = np.asarray(smooth().convert("L")).astype(int)


def near(found: np.ndarray, expected: np.ndarray, tolerance: float) -> bool:
    """Return whether a decoded picture is another, to a mean difference of brightness."""
    return found.shape == expected.shape and abs(found - expected).mean() <= tolerance


def three(grey: np.ndarray) -> np.ndarray:
    """Return grey values in three channels."""
    return np.repeat(grey[..., None], 3, axis=2)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "JPEG", "WEBP", "AVIF", "JPEG2000"])
def test_every_format_gives_its_picture(kind):
    found = decode(saved(smooth(), kind), "a.jpg")
    lossless = kind in ("PNG", "BMP", "TIFF", "PPM", "JPEG2000")
    assert near(found, REFERENCE, 0 if lossless else 4)


def test_gif_gives_its_picture_to_its_palette():
    assert near(decode(saved(smooth(), "GIF"), "a.gif"), REFERENCE, 12)


@pytest.mark.parametrize(
    ("image", "kind", "expected", "conversions"),
    [
        (smooth().convert("L"), "PNG", three(GREY), ()),
        (smooth().convert("L"), "JPEG", three(GREY), ()),
        (smooth().convert("CMYK"), "JPEG", REFERENCE, ("CMYK",)),
        (smooth().convert("CMYK"), "TIFF", REFERENCE, ("CMYK", "TIFF")),
        (smooth().quantize(64), "PNG", REFERENCE, ("palette",)),
        (
            smooth().convert("1"),
            "PNG",
            three(np.asarray(smooth().convert("1")) * 255),
            ("bilevel",),
        ),
        (Image.fromarray((GREY * 257).astype(np.uint16)), "PNG", three(GREY), ("16_bit",)),
        (Image.fromarray((GREY * 257).astype(np.uint16)), "TIFF", three(GREY), ("16_bit", "TIFF")),
        (smooth(), "WEBP", REFERENCE, ("WEBP",)),
    ],
    ids=lambda value: str(value) if isinstance(value, str | tuple) else "",
)
def test_conversions_are_named_and_right(image, kind, expected, conversions):
    data = saved(image, kind)
    form = inspect(data, f"a.{kind.lower()}")
    assert (form.format, form.width, form.height) == (kind, WIDTH, HEIGHT)
    assert form.conversions == conversions
    assert near(decode(data, "a"), expected, 8)


def test_transparent_pictures_stand_on_white():
    rgba = smooth().convert("RGBA")
    rgba.putalpha(
        Image.fromarray(
            np.repeat([[0, 255]], WIDTH // 2, axis=1).repeat(HEIGHT, 0).astype(np.uint8)
        )
    )
    data = saved(rgba, "PNG")
    found = decode(data, "a.png")
    assert (found[:, : WIDTH // 2] == 255).all()
    np.testing.assert_array_equal(found[:, WIDTH // 2 :], REFERENCE[:, WIDTH // 2 :])
    assert inspect(data, "a.png").conversions == ("transparent",)


def test_a_transparent_colour_of_a_palette_stands_on_white():
    image = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), mode="P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    found = decode(saved(image, "PNG", transparency=0), "a.png")
    assert found.tolist() == [[[255] * 3, [0, 0, 255]], [[0, 0, 255], [255] * 3]]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_pictures_are_turned_upright(kind, orientation):
    """Camera's pixels are those that, turned as EXIF says, give the picture."""
    turned = smooth()
    undo = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM], 5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90], 7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }  # fmt: skip
    for step in undo.get(orientation, []):
        turned = turned.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(turned, kind, exif=exif)
    assert near(decode(data, "a"), REFERENCE, 3)
    form = inspect(data, f"a.{kind.lower()}")
    assert form.conversions == (() if orientation == 1 else ("rotated",))
    assert (form.width, form.height) == (WIDTH, HEIGHT)


def test_damaged_exif_is_no_reason_to_refuse():
    data = saved(smooth(), "JPEG", exif=b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff")
    assert near(decode(data, "a.jpg"), REFERENCE, 4)


def test_a_picture_is_turned_though_the_rest_of_its_exif_is_damaged():
    """Pillow's own function fails here, since it writes back what remains."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0x829A] = 0.01  # exposure time, as a number of another type than it has
    damaged = exif.tobytes().replace(b"\x82\x9a\x00\x0c", b"\x82\x9a\x00\x10")
    assert damaged != exif.tobytes()
    data = saved(smooth().transpose(Image.Transpose.ROTATE_90), "JPEG", exif=damaged)
    with Image.open(io.BytesIO(data)) as image, pytest.raises(struct.error):
        ImageOps.exif_transpose(image)
    assert near(decode(data, "a.jpg"), REFERENCE, 4)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_taken(kind):
    frames = [smooth(), Image.new("RGB", (WIDTH, HEIGHT), "black")]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    assert near(decode(data, "a"), REFERENCE, 12)
    assert "animated" in inspect(data, "a").conversions


@pytest.mark.parametrize(
    ("name", "misnamed"),
    [("a.png", False), ("a.PNG", False), ("a.jpg", True), ("a", False), ("a.image", False)],
)
def test_a_wrong_name_is_noticed_and_harmless(name, misnamed):
    form = inspect(saved(smooth(), "PNG"), name)
    assert form.misnamed == misnamed
    assert not form.conversions


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"", "empty", "empty file"),
        (b"<html>not found</html>", "unknown_format", "unknown format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "unknown_format", "unknown format"),
        (saved(smooth(), "JPEG")[:-200], "damaged", "cannot be decoded"),
        (saved(smooth(), "PNG")[:-40], "damaged", ""),
        (
            saved(Image.new("F", (4, 4)), "TIFF"),
            "pixel_format",
            "mode F have no defined brightness",
        ),
        (saved(Image.new("1", (1001, 1000)), "PNG"), "too_large", "1001 x 1000 are 1001000 pixels"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_picture_is_refused_with_its_kind(data, kind, words):
    with pytest.raises(BrokenPictureError, match=r"^folder/a\.jpg: cannot be decoded") as caught:
        inspect(data, "folder/a.jpg", most_pixels=1_000_000)
    assert caught.value.kind == kind
    assert words in str(caught.value)
    assert "0x" not in str(caught.value), "an address is another in every run"


def test_a_decompression_bomb_is_refused_before_it_is_decoded():
    """65,535 x 65,535 grey pixels would be 4 GiB; the file is a few bytes."""
    whole = saved(Image.new("L", (1, 1)), "PNG")
    header = b"IHDR" + (65535).to_bytes(4, "big") * 2 + whole[24:29]
    data = whole[:12] + header + zlib.crc32(header).to_bytes(4, "big") + whole[33:]
    with pytest.raises(BrokenPictureError) as caught:
        inspect(data, "bomb.png")
    assert caught.value.kind == "too_large"


@pytest.mark.parametrize("short_side", [None, 12, 24, 1000])
def test_a_jpeg_of_a_picture_is_plain_and_small_enough(short_side):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(smooth(96, 160).transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)
    stored = to_jpeg(data, "a.jpg", short_side, 95)
    form = inspect(stored, "a.jpg")
    side = min(96, short_side or 96)
    assert not form.conversions
    assert (form.format, form.height, form.width) == ("JPEG", side, round(side * 160 / 96))
    expected = smooth(96, 160).resize((form.width, form.height), Image.Resampling.BICUBIC)
    assert near(decode(stored, "a"), np.asarray(expected).astype(int), 3)


def test_quality_is_that_asked_for():
    sizes = [len(to_jpeg(encode(picture_of(0, 64, 64)), "a", None, q)) for q in (30, 95)]
    assert sizes[0] < sizes[1] / 2


def test_ten_thousand_damaged_files_end_in_no_crash_hang_or_growth():
    script = Path(__file__).with_name("damage_pictures.py")
    job = subprocess.run(
        [sys.executable, script, "10000"],
        env={**os.environ, "PYTHONPATH": str(Path(pictures.__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert job.returncode == 0, job.stdout[-2000:] + job.stderr[-2000:]
