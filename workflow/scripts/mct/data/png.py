"""What Pillow leaves to its callers about PNG files: long texts, and transparent colours.

Texts and colour profiles may expand a thousandfold. Pillow refuses a picture for one that is long;
here the text is left out, and the picture stays.
"""

import io
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
MOST_TEXT = 16 << 20
"""Bytes of a text that is kept, for it may say how the picture is turned."""
PngImagePlugin.MAX_TEXT_CHUNK = MOST_TEXT
GREY_STEPS = {"L;2": 255 // 3, "L;4": 255 // 15}
"""The difference between two greys of 8 bits that are neighbours in 2 and 4 bits."""


def without_long_texts(data: bytes) -> bytes:
    """Return a PNG without its colour profile and without texts that Pillow would refuse.

    Texts are decompressed only as far as the limit. Other files are returned as they are.
    """
    if not data.startswith(SIGNATURE):
        return data
    kept, begin = [], 0
    for start, stop in _to_leave_out(data):
        kept.append(data[begin:start])
        begin = stop
    return b"".join([*kept, data[begin:]]) if kept else data


def _to_leave_out(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where colour profiles and long texts begin and end."""
    room = PngImagePlugin.MAX_TEXT_MEMORY
    for start, stop, kind in _chunks(data):
        if kind == b"iCCP":
            yield start, stop
        elif kind in TEXTS:
            limit = min(room, MOST_TEXT)
            length = _text_length(kind, data[start + 8 : stop - 4], limit)
            room = max(0, room - length)  # less for long ones too, which cost time
            if length > limit:
                yield start, stop


def _chunks(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield where each whole chunk begins and ends, and its kind."""
    start = len(SIGNATURE)
    while (stop := start + 12 + int.from_bytes(data[start : start + 4], "big")) <= len(data):
        yield start, stop, data[start + 4 : start + 8]
        start = stop


def _text_length(kind: bytes, body: bytes, limit: int) -> int:
    """Return the length of a text; `limit` + 1 of a compressed one that is longer than `limit`."""
    text = body.partition(b"\0")[2]
    if kind == b"zTXt":
        packed = text[1:]
    elif kind == b"iTXt" and text[:1] not in (b"", b"\0"):
        packed = text[2:].split(b"\0", 2)[-1]  # behind language and translated keyword
    else:
        return len(body)
    try:
        return len(zlib.decompressobj().decompress(packed, limit + 1))
    except zlib.error:  # Pillow reads it as empty
        return 0


def opacity(image: Image.Image) -> Image.Image | None:
    """Return where an opened PNG is opaque, if one colour of 16 bits is transparent; mode L.

    None for all other pictures. Pillow compares that colour with pixels of 8 bits, and a grey of
    2 or 4 bits with pixels that it has scaled to 8: these are put right in `image`.
    """
    colour = image.info.get("transparency")
    if not isinstance(image, PngImagePlugin.PngImageFile) or colour is None or not image.tile:
        return None
    depth = image.tile[0].args
    if depth in GREY_STEPS:
        image.info["transparency"] = colour * GREY_STEPS[depth]
        return None
    if depth == "I;16B":
        transparent = np.asarray(image) == colour
    elif depth == "RGB;16B":
        transparent = _are_of_deep_colour(image, np.array(colour))
    else:
        return None
    del image.info["transparency"]
    return Image.fromarray(np.where(transparent, 0, 255).astype(np.uint8))


def _are_of_deep_colour(
    image: PngImagePlugin.PngImageFile, colour: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which pixels of an opened PNG have a colour of 16 bits, shape (height, width)."""
    assert image.fp is not None
    image.fp.seek(0)
    data = image.fp.read()
    same = np.ones((image.height, image.width), bool)
    # Pillow keeps one byte of each value: the first, or the second if it is read as the high one.
    for order, expected in (("RGB;16B", colour >> 8), ("RGB;16L", colour & 255)):
        with Image.open(io.BytesIO(data), formats=("PNG",)) as part:
            part.tile = [part.tile[0]._replace(args=order)]
            same &= (np.asarray(part) == expected).all(axis=-1)
    return same
