"""Scikit-learn's 1,797 handwritten digits, real pictures of 8 x 8, with labels made wrong by seed."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from mct.data.layouts.base import Layout, Row
from mct.data.layouts.draws import name_share
from mct.data.layouts.synthetic import corrupt_rows
from mct.data.pictures import as_png
from mct.labels.settings import NoiseSettings
from mct.labels.synthetic import synthetic_labels

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
        return f"{share}, with their true labels"

    def sizes(self) -> dict[str, int]:
        noisy = DIGITS - TEST - VALIDATION
        clean = round(noisy * self.settings.synthetic_clean_fraction)
        return {"noisy": noisy, "clean": clean, "validation": VALIDATION, "test": TEST}

    def pictures(self) -> Iterator[tuple[str, str]]:
        return ((f"{digit:04d}", f"{digit:04d}.png") for digit in range(DIGITS))

    def rows(self, threads: int = 1) -> Iterator[Row]:
        """Yield test, validation and training rows; a share of the latter is clean as well."""
        return corrupt_rows(self._rows(), self.settings, 10, self.read, threads)

    def _rows(self) -> Iterator[Row]:
        settings, true = self.settings, self._digits[1]
        noise = NoiseSettings(kind="class_dependent", rate=settings.synthetic_noise_rate)
        observed = synthetic_labels(true, noise, 10, settings.seed)
        order = np.random.default_rng(settings.seed).permutation(len(true))
        clean_count, keys = self.sizes()["clean"], list(self.pictures())
        for place, digit in enumerate(order):
            test, held_out = place < TEST, place < TEST + VALIDATION
            clean = TEST + VALIDATION <= place < TEST + VALIDATION + clean_count
            sets = {"noisy": not held_out, "clean": clean, "validation": held_out and not test}
            (key, path), label = keys[digit], -1 if held_out else int(observed[digit])
            yield Row(key, path, label, int(true[digit]), **sets, test=test)

    def read(self, path: str) -> bytes:
        pixels = self._digits[0][int(Path(path).stem)] * (255 / FULL_SCALE)
        return as_png(pixels.round().astype(np.uint8))
