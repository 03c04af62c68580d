"""Transparent pictures of every kind are put on white, at the depth of their file."""

import io
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mct.data.pictures import decode, inspect

GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
WHITE = [255, 255, 255]


def chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def png(values: list, depth: int, colour_type: int, *chunks: bytes) -> bytes:
    """Return one row of pixels as a PNG file, written by the letter of its specification."""
    row = np.array(values)
    packed = "".join(format(value, f"0{depth}b") for value in row.ravel().tolist())
    packed += "0" * (-len(packed) % 8)
    line = b"\0" + int(packed, 2).to_bytes(len(packed) // 8, "big")
    header = len(row).to_bytes(4, "big") + (1).to_bytes(4, "big")
    parts = [
        chunk(b"IHDR", header + bytes([depth, colour_type, 0, 0, 0])),
        *chunks,
        chunk(b"IDAT", zlib.compress(line)),
        chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def transparent(*values: int) -> bytes:
    """Return the chunk that makes a colour transparent."""
    return chunk(b"tRNS", b"".join(value.to_bytes(2, "big") for value in values))


def row_of(data: bytes) -> list[list[int]]:
    """Return the pixels of a picture's first row."""
    return decode(data, "a.png")[0].tolist()


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@given(data=st.data())
def test_a_transparent_grey_of_any_depth_becomes_white_and_no_other_does(depth, data):
    top = 2**depth - 1
    greys = st.integers(0, top)
    key = data.draw(greys)
    near = st.sampled_from([key, key ^ 1, min(key + 256, top), 0, top])
    values = data.draw(st.lists(near | greys, min_size=1, max_size=20))
    expected = [[value * 255 // top] * 3 if value != key else WHITE for value in values]
    file = png(values, depth, GREY, transparent(key))
    assert row_of(file) == expected
    assert "transparent" in inspect(file, "a.png").conversions


@pytest.mark.parametrize("depth", [8, 16])
@given(data=st.data())
def test_a_transparent_colour_of_any_depth_becomes_white_and_no_other_does(depth, data):
    top = 2**depth - 1
    colours = st.tuples(*[st.integers(0, top)] * 3)
    key = data.draw(colours)
    near = st.sampled_from([key, (key[0], key[1] ^ 1, key[2]), (key[0] ^ (top // 2 + 1), *key[1:])])
    values = data.draw(st.lists(near | colours, min_size=1, max_size=20))
    shift = depth - 8
    expected = [[part >> shift for part in v] if v != key else WHITE for v in values]
    file = png(values, depth, RGB, transparent(*key))
    assert row_of(file) == expected
    assert "transparent" in inspect(file, "a.png").conversions


@pytest.mark.parametrize(
    ("colour_type", "values", "expected"),
    [
        (GREY_ALPHA, [(40_000, 0), (40_000, 65_535), (0, 32_768)], [WHITE, [156] * 3, [127] * 3]),
        (
            RGB_ALPHA,
            [(40_000, 0, 0, 0), (40_000, 0, 9, 65_535), (0, 0, 0, 32_768)],
            [WHITE, [156, 0, 0], [127] * 3],
        ),
    ],
)
def test_an_alpha_channel_of_16_bits_is_put_on_white(colour_type, values, expected):
    assert row_of(png(values, 16, colour_type)) == expected


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_transparent_entry_of_a_palette_is_put_on_white(depth):
    palette = chunk(b"PLTE", bytes([255, 0, 0, 0, 0, 255]))
    whole = png([0, 1], depth, PALETTE, palette, chunk(b"tRNS", bytes([0])))
    half = png([0, 1], depth, PALETTE, palette, chunk(b"tRNS", bytes([128, 0])))
    assert row_of(whole) == [WHITE, [0, 0, 255]]
    assert row_of(half) == [[255, 127, 127], WHITE]


PIXELS = np.array([[[200, 0, 0, 0], [200, 0, 0, 255], [0, 0, 90, 255]]], np.uint8)


@pytest.mark.parametrize("several", [False, True], ids=["still", "animation"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "GIF", "JPEG2000"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_formats_and_first_frames_are_put_on_white(kind, mode, several):
    image = Image.fromarray(PIXELS).convert(mode)
    if kind == "GIF" and mode == "LA":
        image = image.convert("RGBA")  # Pillow's writer drops the alpha of grey
    buffer, options = io.BytesIO(), {"lossless": True} if kind == "WEBP" else {}
    if several and kind != "JPEG2000":
        options |= {"save_all": True, "append_images": [Image.new(image.mode, image.size)]}
    image.save(buffer, kind, **options)
    expected = np.asarray(Image.fromarray(PIXELS[..., :3]).convert(mode[:-1]).convert("RGB"))
    assert row_of(buffer.getvalue()) == [WHITE, *expected[0, 1:].tolist()]


def test_16_bit_grey_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera's left is the picture's top
    deep = np.array([[10, 20, 30], [40, 50, 60]], np.uint16) * 257
    buffer = io.BytesIO()
    Image.fromarray(deep).save(buffer, "PNG", exif=exif)
    found = decode(buffer.getvalue(), "a.png")
    assert found[..., 0].tolist() == [[40, 10], [50, 20], [60, 30]]
    form = inspect(buffer.getvalue(), "a.png")
    assert (form.height, form.width) == found.shape[:2]
