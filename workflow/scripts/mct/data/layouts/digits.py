"""Scikit-learn's 1,797 handwritten digits, real pictures of 8 x 8, with labels made wrong by seed."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np

from mct.data.layouts.base import UNKNOWN, Layout, Row
from mct.data.layouts.draws import name_share
from mct.data.layouts.synthetic import corrupt_rows
from mct.data.pictures import as_png
from mct.labels.settings import NoiseSettings

DIGITS, VALIDATION, TEST = 1797, 180, 500
FULL_SCALE = 16


class Digits(Layout):
    """The quick start's data set; it needs no files."""

    keys = ("synthetic_noise_rate", "synthetic_clean_fraction")
    has_lists = False

    @cached_property
    def _digits(self) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.datasets import load_digits  # slow to import, and not needed for a plan

        bunch = load_digits()
        return bunch.images, bunch.target

    def class_names(self) -> list[str]:
        return [str(digit) for digit in range(10)]

    def clean_source(self) -> str:
        share = name_share(self.settings.synthetic_clean_fraction, "the training pictures")
        return f"{share}, equally many of each class, with their true labels"

    def sizes(self) -> dict[str, int]:
        noisy = DIGITS - TEST - VALIDATION
        clean = round(noisy * self.settings.synthetic_clean_fraction)
        return {"noisy": noisy, "clean": clean, "validation": VALIDATION, "test": TEST}

    def pictures(self) -> Iterator[tuple[str, str]]:
        return ((f"{digit:04d}", f"{digit:04d}.png") for digit in range(DIGITS))

    def rows(self, threads: int = 1) -> Iterator[Row]:
        """Yield test, validation and training rows; a share of the latter is clean as well."""
        settings = self.settings
        if settings.synthetic_noise.kind == "none":
            own = NoiseSettings(kind="asymmetric", rate=settings.synthetic_noise_rate)
            settings = msgspec.structs.replace(settings, synthetic_noise=own)
        return corrupt_rows(self._rows(), settings, 10, self.read, threads)

    def _rows(self) -> Iterator[Row]:
        true, keys = self._digits[1], list(self.pictures())
        order = np.random.default_rng(self.settings.seed).permutation(len(true))
        clean = set(self._clean(order[TEST + VALIDATION :]))
        for place, digit in enumerate(order):
            test, held_out = place < TEST, place < TEST + VALIDATION
            sets = {"noisy": not held_out, "validation": held_out and not test}
            key, path = keys[digit]
            yield Row(key, path, UNKNOWN, int(true[digit]), **sets, clean=digit in clean, test=test)

    def _clean(self, training: np.ndarray) -> list[int]:
        """Return the training digits that are clean: the first of each class, in turn."""
        true = self._digits[1][training]
        turn = [np.count_nonzero(true[:place] == digit) for place, digit in enumerate(true)]
        first = np.lexsort((true, turn))[: self.sizes()["clean"]]
        return training[first].tolist()

    def read(self, path: str) -> bytes:
        pixels = self._digits[0][int(Path(path).stem)] * (255 / FULL_SCALE)
        return as_png(pixels.round().astype(np.uint8))
