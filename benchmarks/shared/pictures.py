"""Made pictures that decode like photographs."""

import io

import numpy as np
from PIL import Image, ImageFilter


def draw_jpeg(seed: int) -> bytes:
    """Return a JPEG of smooth noise, about as large as a photograph of 256 pixels."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (32, 32, 3), np.uint8))
    image = coarse.resize((256, 256), Image.Resampling.BICUBIC)
    noise = Image.fromarray(generator.integers(0, 256, (256, 256, 3), np.uint8))
    image = Image.blend(image, noise.filter(ImageFilter.GaussianBlur(1)), 0.3)
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=90)
    return buffer.getvalue()
