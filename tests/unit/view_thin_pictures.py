"""View long and thin pictures in little memory; a failure is an error of allocation.

Run by test_thin_pictures.py in a process of its own, whose address space is limited.
"""

import io
import resource
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from samples import augment, encode, members_of, shard_settings

from mct.data.augmentation import DRAWS, Viewer
from mct.data.images import fit
from mct.data.imagesets import ImageSet
from mct.data.pictures import inspect, to_jpeg
from mct.data.sharding import ShardPlan, write_shard
from mct.data.shards import open_shard
from mct.labels.judging import Judgement
from mct.results.page import page_data
from mct.results.picture_files import Source
from mct.results.predictions import view

SIZE, EXTRA_BYTES = 224, 200 << 20
"""The resized picture alone would take 3.7 GiB; all that is decoded takes 5 MB."""
SHAPES = ((1, 20_000), (20_000, 1), (3, 60_000), (60_000, 3), (40, 30_000), (30_000, 40))
KINDS = ("none", "flip", "crop", "crop_flip", "resized_crop")
DRAWN = np.array([0.5, 0.5, 0.0, 1.0, 0.5], np.float32)


class Thin:
    """The part of a layout that shards need: all pictures are thin."""

    def read(self, path: str) -> bytes:
        shape = SHAPES[int(Path(path).stem) % len(SHAPES)]
        return encode(picture(*shape), "JPEG")


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


def limit_memory() -> None:
    """Limit the address space to what is in use, and a little more."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + EXTRA_BYTES,) * 2)


def view_all(height: int, width: int, folder: Path) -> None:
    """See a picture as training, evaluation and prediction do."""
    thin = picture(height, width)
    for kind in KINDS:
        assert augment(thin, SIZE, kind, DRAWN).shape == (SIZE, SIZE, 3)
    seen = fit(thin, SIZE)
    for reduced in (False, True):
        viewer, found = (
            Viewer(size=SIZE, kind="none", reduced_decoding=reduced),
            np.empty_like(seen),
        )
        viewer.write_encoded(encode(thin), "a.png", np.zeros(DRAWS), found)
        np.testing.assert_array_equal(found, seen)
        viewer.write_encoded(encode(thin, "JPEG"), "a.jpg", np.zeros(DRAWS), found)
    file = folder / "a.png"
    file.write_bytes(encode(thin))
    np.testing.assert_array_equal(view(Source(file.name, file.read_bytes), SIZE), seen)
    form = inspect(file.read_bytes(), "a.png")
    assert (form.height, form.width) == (height, width)
    stored = Image.open(io.BytesIO(to_jpeg(file.read_bytes(), "a.png", 256, 95)))
    assert stored.size == (width, height), "it is never enlarged"


def write_shards(folder: Path) -> None:
    """Write thin pictures as pixels and as files, and show them as suspects."""
    for encoding in ("pixels", "encoded"):
        path = folder / f"{encoding}.h5"
        plan = ShardPlan(shard=0, shards=1, source="test")
        members = members_of(range(len(SHAPES)), Thin())
        write_shard(members, Thin(), shard_settings(encoding, SIZE), plan, path)
    places = np.arange(len(SHAPES))
    image_set = ImageSet(
        shards=[open_shard(path)], shard=0 * places, index=places, sample=places, label=places,
        observed=places, true=places, in_clean=places < 0, classes=len(SHAPES),
    )  # fmt: skip
    found = Judgement(wrong=places / 100, proposed=places, certainty=places / 100)
    data = page_data(image_set, found, places, [str(place) for place in places], len(places))
    assert len(data["suspects"]) == len(SHAPES)


def main() -> None:
    torch.set_num_threads(1)
    fit(picture(30, 40), SIZE)
    limit_memory()
    with tempfile.TemporaryDirectory() as name:
        for shape in SHAPES:
            view_all(*shape, Path(name))
        write_shards(Path(name))


if __name__ == "__main__":
    sys.exit(main())
