"""Files of pictures as people's hard disks hold them: judged, and turned into 8-bit RGB.

Shards hold *plain* pictures: JPEG or PNG, 8 bits, RGB or grey, upright, opaque, one frame. What can
be turned into that without guessing is converted; all else is broken, with a kind and a reason.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from mct.base.errors import BrokenPictureError
from mct.data.png import opacity, without_long_texts

Picture = NDArray[np.uint8]
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
"""Those of Pillow's formats that hold pixels; others (EPS, PDF, WMF) run programs or draw."""
PLAIN_FORMATS = ("JPEG", "PNG")
DEEP_MODES = ("I;16", "I;16L", "I;16B", "I;16N")
CONVERTED_MODES = {
    "1": "bilevel", "L": "", "LA": "", "La": "", "P": "palette", "PA": "palette", "RGB": "",
    "RGBA": "", "RGBa": "", "RGBX": "", "CMYK": "CMYK", "YCbCr": "YCbCr", "LAB": "LAB", "HSV": "HSV",
}  # fmt: skip
"""Modes of 8 bits or fewer that become RGB, and what that conversion is called."""
ENDINGS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"), "MPO": (".jpg", ".jpeg", ".mpo"), "PNG": (".png",),
    "GIF": (".gif",), "WEBP": (".webp",), "BMP": (".bmp",), "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"), "AVIF": (".avif",), "JPEG2000": (".jp2", ".j2k"),
}  # fmt: skip
KNOWN_ENDINGS = {ending for endings in ENDINGS.values() for ending in endings}
MOST_PIXELS = 178_956_970
"""More than these Pillow itself takes for an attack."""
LONGEST_JPEG_SIDE = 65_500
"""Of libjpeg; the format itself ends at 65,535."""
WHITE = (255, 255, 255, 255)
TURNED = range(2, 9)
"""EXIF orientations of pictures that are not upright."""
Image.init()
warnings.filterwarnings("ignore", module="PIL")


class PixelFormatError(ValueError):
    """Pixels that cannot be turned into 8-bit RGB without guessing."""


KINDS = {
    UnidentifiedImageError: "unknown_format",
    PixelFormatError: "pixel_format",
    Image.DecompressionBombError: "too_large",
}
"""Kinds of broken pictures by the error of their decoder; all others are `damaged`."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a file of a picture is; width and height in pixels, as it is to be looked at."""

    format: str
    mode: str
    width: int
    height: int
    conversions: tuple[str, ...]
    """What has to be done to make it plain, such as `rotated` or `CMYK`; nothing for a plain one."""
    misnamed: bool


def inspect(data: bytes, path: str, most_pixels: int = MOST_PIXELS) -> Form:
    """Return what a file is, having decoded all of it.

    BrokenPictureError for what becomes no picture: empty, of an unknown format, damaged or cut, of
    more than `most_pixels`, of pixels without a defined brightness.
    """
    with opened(data, path, most_pixels) as image:
        steps = list(_conversions(image))
        upright = to_rgb(image)
        return Form(
            format=str(image.format), mode=image.mode, width=upright.width, height=upright.height,
            conversions=tuple(steps), misnamed=_is_misnamed(str(image.format), path),
        )  # fmt: skip


def decode(data: bytes, path: str, most_pixels: int = MOST_PIXELS) -> Picture:
    """Return a file of a picture as RGB, uint8 (height, width, 3), upright, on white if transparent.

    Of an animation the first frame. BrokenPictureError as for `inspect`.
    """
    with opened(data, path, most_pixels) as image:
        return np.array(to_rgb(image))


def to_jpeg(
    data: bytes, path: str, short_side: int | None, quality: int, most_pixels: int = MOST_PIXELS
) -> bytes:
    """Return a picture as a plain JPEG, its short side at most `short_side` pixels.

    A picture that is too long for a JPEG becomes a plain PNG. `quality` is libjpeg's, 1 to 100;
    colour is not subsampled.
    """
    with opened(data, path, most_pixels) as image:
        factor = short_side / min(image.size) if short_side else 1.0
        if factor < 1:
            image.draft(None, _scaled(image.size, factor))
        rgb = to_rgb(image)
        if factor < 1:
            size = _scaled(rgb.size, short_side / min(rgb.size) if short_side else 1.0)
            rgb = rgb.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
        return _encoded(rgb, quality)


def as_png(pixels: Picture) -> bytes:
    """Return pixels, uint8 (height, width) or (height, width, 3), as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="PNG")
    return buffer.getvalue()


def _encoded(rgb: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    rgb.info = {}  # a comment of another format may be too long for a JPEG
    if max(rgb.size) > LONGEST_JPEG_SIDE:
        rgb.save(buffer, format="PNG")
    else:
        rgb.save(buffer, format="JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def _scaled(size: tuple[int, int], factor: float) -> tuple[int, int]:
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


@contextmanager
def opened(data: bytes, path: str, most_pixels: int) -> Iterator[Image.Image]:
    """Open a picture of bounded size; any error of its decoder becomes a BrokenPictureError."""
    if not data:
        raise BrokenPictureError("empty", f"{path}: cannot be decoded as a picture: empty file")
    try:
        with Image.open(io.BytesIO(without_long_texts(data)), formats=FORMATS) as image:
            pixels = image.width * image.height
            if pixels > most_pixels:
                raise BrokenPictureError(
                    "too_large",
                    f"{path}: cannot be decoded as a picture: {image.width} x {image.height} are "
                    f"{pixels} pixels, more than inspection.most_pixels = {most_pixels}",
                )
            yield image
    except BrokenPictureError:
        raise
    except Exception as error:
        kind = KINDS.get(type(error), "damaged")
        reason = "unknown format" if kind == "unknown_format" else error
        raise BrokenPictureError(
            kind, f"{path}: cannot be decoded as a picture: {_one_line(reason)}"
        ) from error


def _one_line(reason: object) -> str:
    return " ".join(str(reason).split())[:200] or type(reason).__name__


def to_rgb(image: Image.Image) -> Image.Image:
    """Return the first frame of an opened picture as RGB, upright and opaque."""
    is_deep = image.mode in DEEP_MODES or _is_deep_integer(image)
    if not is_deep and image.mode not in CONVERTED_MODES:
        raise PixelFormatError(f"pixels of mode {image.mode} have no defined brightness")
    opaque = opacity(image)
    image.load()
    orientation = _orientation(image)
    if is_deep:
        image = _scale_16_bit(image)
    if opaque is not None or _is_transparent(image):
        image = _on_white(image, opaque)
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    return rgb if orientation == 1 else _upright(rgb, orientation)


def _on_white(image: Image.Image, opaque: Image.Image | None) -> Image.Image:
    rgba = image.convert("RGBA")
    if opaque is not None:
        rgba.putalpha(opaque)
    return Image.alpha_composite(Image.new("RGBA", rgba.size, WHITE), rgba)


def _is_deep_integer(image: Image.Image) -> bool:
    """Return whether 32-bit integers hold 16 bits, as grey PNG and PPM files do in Pillow."""
    return image.mode == "I" and image.format in ("PNG", "PPM")


def _scale_16_bit(image: Image.Image) -> Image.Image:
    """Return grey of 16 bits as grey of 8."""
    values = np.asarray(image).astype(np.int64)
    return Image.fromarray((values.clip(0, 65535) // 257).astype(np.uint8))


def _is_transparent(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def _orientation(image: Image.Image) -> int:
    """Return a picture's EXIF orientation: 1, upright, where that is absent or damaged."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:
        return 1
    return orientation if orientation in TURNED else 1


def _upright(rgb: Image.Image, orientation: int) -> Image.Image:
    """Return a picture turned by its orientation alone: Pillow fails at the rest of damaged EXIF."""
    rgb.info = {}
    rgb.getexif()[ExifTags.Base.Orientation] = orientation
    return ImageOps.exif_transpose(rgb)


def _conversions(image: Image.Image) -> Iterator[str]:
    """Yield what makes a picture plain, besides nothing."""
    if image.mode in DEEP_MODES or _is_deep_integer(image):
        yield "16_bit"
    elif CONVERTED_MODES.get(image.mode):
        yield CONVERTED_MODES[image.mode]
    if _is_transparent(image):
        yield "transparent"
    if getattr(image, "is_animated", False) and image.format != "MPO":
        yield "animated"
    if _orientation(image) != 1:
        yield "rotated"
    if image.format not in PLAIN_FORMATS:
        yield str(image.format)


def _is_misnamed(name_of_format: str, path: str) -> bool:
    """Return whether a file's ending belongs to another format; one without ending is not."""
    ending = PurePosixPath(path).suffix.lower()
    return ending in KNOWN_ENDINGS and ending not in ENDINGS[name_of_format]
