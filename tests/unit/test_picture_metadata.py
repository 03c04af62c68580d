"""Pictures with megabytes of text, profiles or tags are read, in memory that does not follow them."""

import io
import tracemalloc
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin
from samples import picture_of

from mct.base.errors import BrokenPictureError
from mct.data.pictures import decode, inspect, to_jpeg

PICTURE = picture_of(0, 24, 40)
MIB = 1 << 20
NOISE = np.random.default_rng(1).bytes(3 * MIB)
TEXT = "x" * (3 * MIB)
ROTATED = "<x:xmpmeta xmlns:tiff='http://ns.adobe.com/tiff/1.0/' tiff:Orientation=\"6\"/>"


def saved(kind: str, **options: object) -> bytes:
    """Return the picture as a file."""
    buffer = io.BytesIO()
    Image.fromarray(PICTURE).save(buffer, kind, **options)
    return buffer.getvalue()


def png_with(*chunks: bytes) -> bytes:
    """Return the picture as a PNG with more chunks behind its header."""
    data = saved("PNG")
    return data[:33] + b"".join(chunks) + data[33:]


def chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def noted(write: Callable[[PngImagePlugin.PngInfo], object]) -> bytes:
    """Return the picture as a PNG with texts."""
    info = PngImagePlugin.PngInfo()
    write(info)
    return saved("PNG", pnginfo=info)


def international(text: bytes, *, packed: bool) -> bytes:
    """Return an XMP text with a language and a translated keyword."""
    data = zlib.compress(text) if packed else text
    return chunk(b"iTXt", b"XML:com.adobe.xmp\0" + bytes([packed, 0]) + b"en\0XMP\0" + data)


def segments(marker: int, start: bytes) -> bytes:
    """Return the picture as a JPEG with 40 full segments of one kind."""
    data = saved("JPEG")
    one = bytes([0xFF, marker, 0xFF, 0xFF]) + start + bytes(65_533 - len(start))
    return data[:2] + 40 * one + data[2:]


def tagged() -> bytes:
    """Return the picture as a TIFF with thousands of tags and a long text."""
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[270] = TEXT
    for tag in range(60_000, 63_000):
        tags[tag] = "x"
        tags.tagtype[tag] = 2
    return saved("TIFF", tiffinfo=tags, icc_profile=NOISE)


LONG = {
    "PNG tEXt": lambda: noted(lambda info: info.add_text("a", TEXT)),
    "PNG zTXt": lambda: noted(lambda info: info.add_text("a", TEXT, zip=True)),
    "PNG iTXt": lambda: noted(lambda info: info.add_itxt("a", TEXT, "en", "b")),
    "PNG iTXt packed": lambda: noted(lambda info: info.add_itxt("a", TEXT, "en", "b", zip=True)),
    "PNG zTXt of 20 MiB": lambda: noted(lambda info: info.add_text("a", 7 * TEXT, zip=True)),
    "PNG iTXt of 20 MiB": lambda: png_with(international(7 * TEXT.encode(), packed=True)),
    "PNG 70 texts of 1 MiB": lambda: noted(
        lambda info: [info.add_text(str(number), TEXT[:MIB]) for number in range(70)]
    ),
    "PNG text behind the pixels": lambda: saved("PNG")[:-12]
    + chunk(b"zTXt", b"a\0\0" + zlib.compress(7 * TEXT.encode()))
    + saved("PNG")[-12:],
    "PNG profile": lambda: saved("PNG", icc_profile=NOISE),
    "PNG EXIF": lambda: saved("PNG", exif=b"Exif\0\0MM\0*" + NOISE),
    "JPEG profile": lambda: saved("JPEG", icc_profile=NOISE),
    "JPEG EXIF": lambda: segments(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\0"),
    "JPEG Photoshop": lambda: segments(0xED, b"Photoshop 3.0\0"),
    "JPEG comment": lambda: segments(0xFE, b"comment"),
    "WEBP": lambda: saved("WEBP", lossless=True, icc_profile=NOISE, exif=NOISE, xmp=NOISE),
    "GIF comment": lambda: saved("GIF", comment=b"x" * 200_000),
    "AVIF": lambda: saved("AVIF", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0" + NOISE, xmp=NOISE),
    "TIFF": tagged,
}  # fmt: skip


@pytest.mark.parametrize("name", LONG)
def test_a_picture_with_long_metadata_is_the_same_picture(name):
    kind, data = name.split()[0], LONG[name]()
    plain = saved(kind, **({"lossless": True} if kind == "WEBP" else {}))
    np.testing.assert_array_equal(decode(data, "a"), decode(plain, "a"))
    assert inspect(data, "a") == inspect(plain, "a")
    for short_side in (None, 12):
        assert to_jpeg(data, "a", short_side, 95) == to_jpeg(plain, "a", short_side, 95)


@pytest.mark.parametrize("padding", [0, 3 * MIB])
@pytest.mark.parametrize("packed", [False, True])
def test_how_a_picture_is_turned_is_found_in_a_long_text_too(padding, packed):
    data = png_with(international(ROTATED.encode() + b" " * padding, packed=packed))
    np.testing.assert_array_equal(decode(data, "a.png"), np.rot90(PICTURE, -1))
    assert inspect(data, "a.png").conversions == ("rotated",)


def test_bombs_of_text_take_bounded_memory():
    """2,000 texts and a profile of 100 MiB each: 200 GB if all were kept."""
    bomb = zlib.compress(bytes(100 * MIB))
    texts = [chunk(b"zTXt", b"%d\0\0" % number + bomb) for number in range(2000)]
    data = png_with(chunk(b"iCCP", b"p\0\0" + bomb), *texts)
    tracemalloc.start()
    try:
        found = decode(data, "a.png")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(found, PICTURE)
    assert peak - len(data) < 100 * MIB


@pytest.mark.parametrize("place", [40, 60, -20])
def test_a_file_whose_checksums_do_not_fit_is_still_refused(place):
    data = bytearray(noted(lambda info: info.add_text("a", "some text")))
    data[place] ^= 255
    with pytest.raises(BrokenPictureError):
        decode(bytes(data), "a.png")
