"""Inspect damaged files of every format; exit 1 if one does more than be refused or decoded.

Run by test_pictures.py in a process of its own, whose memory is limited.
"""

import io
import random
import resource
import sys
import time

import numpy as np
from PIL import Image

from mct.base.errors import BrokenPictureError
from mct.data.pictures import decode, inspect

MEMORY = 2 << 30
LONGEST_SECONDS = 10.0
MOST_PIXELS = 4_000_000


def originals() -> list[bytes]:
    """Return small files of all formats and kinds."""
    generator = np.random.default_rng(0)
    rgb = Image.fromarray(generator.integers(0, 256, (37, 53, 3), np.uint8))
    deep = Image.fromarray(generator.integers(0, 65536, (37, 53)).astype(np.uint16))
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds = [
        (rgb, "JPEG", {"exif": exif}), (rgb, "JPEG", {"progressive": True}),
        (rgb.convert("L"), "JPEG", {}), (rgb.convert("CMYK"), "JPEG", {}),
        (rgb, "MPO", {"save_all": True, "append_images": [rgb]}),
        (rgb, "PNG", {}), (rgb.quantize(16), "PNG", {"transparency": 3}), (deep, "PNG", {}),
        (rgb.convert("RGBA"), "PNG", {}), (rgb, "PNG", {"save_all": True, "append_images": [rgb]}),
        (rgb, "GIF", {"save_all": True, "append_images": [rgb.convert("L")]}),
        (rgb, "WEBP", {}), (rgb, "WEBP", {"lossless": True, "exif": exif}),
        (rgb, "WEBP", {"save_all": True, "append_images": [rgb]}), (rgb, "BMP", {}),
        (rgb.quantize(8), "BMP", {}), (rgb, "TIFF", {}), (rgb, "TIFF", {"compression": "tiff_lzw"}),
        (rgb, "TIFF", {"compression": "jpeg"}), (deep, "TIFF", {}), (rgb, "PPM", {}),
        (deep, "PPM", {}), (rgb, "AVIF", {}), (rgb, "JPEG2000", {}),
    ]  # fmt: skip
    files = []
    for image, kind, options in kinds:
        buffer = io.BytesIO()
        image.save(buffer, format=kind, **options)
        files.append(buffer.getvalue())
    return files


def damaged(data: bytes, generator: random.Random) -> bytes:
    """Return bytes with a few of them changed, cut, doubled, or large numbers put in the header."""
    changed = bytearray(data)
    for _ in range(generator.choice([1, 1, 2, 8])):
        place = generator.randrange(min(len(changed), generator.choice([40, 200, 10**6])))
        kind = generator.randrange(6)
        if kind == 0:
            changed[place] ^= 1 << generator.randrange(8)
        elif kind == 1:
            changed[place] = generator.choice([0, 1, 0x7F, 0x80, 0xFF])
        elif kind == 2:
            changed[place : place + 4] = generator.choice(
                [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"]
            )
        elif kind == 3:
            del changed[place : place + generator.randint(1, 100)]
        elif kind == 4:
            changed[place:place] = generator.randbytes(generator.randint(1, 30))
        else:
            changed[place:] = changed[place:][: generator.randint(0, 400)]
        if not changed:
            break
    return bytes(changed)


def main(count: int) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    generator, files = random.Random(0), originals()
    outcomes = {"decoded": 0, "refused": 0}
    for number in range(count):
        data = damaged(files[number % len(files)], generator)
        began = time.perf_counter()
        try:
            form = inspect(data, "a.jpg", MOST_PIXELS)
            picture = decode(data, "a.jpg", MOST_PIXELS)
            assert picture.shape == (form.height, form.width, 3), (number, form, picture.shape)
            assert picture.dtype == np.uint8
            outcomes["decoded"] += 1
        except BrokenPictureError as error:
            assert error.kind in ("empty", "unknown_format", "damaged", "too_large")
            assert "Errno 12" not in str(error) and "emory" not in str(error), (number, str(error))
            outcomes["refused"] += 1
        seconds = time.perf_counter() - began
        if seconds > LONGEST_SECONDS:
            print(f"file {number} ({files[number % len(files)][:16]!r}): {seconds:.1f} s")
            return 1
    print(outcomes)
    return int(min(outcomes.values()) < count // 20)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
