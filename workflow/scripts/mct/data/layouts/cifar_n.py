"""CIFAR-10N and CIFAR-100N (Wei et al., ICLR 2022): CIFAR's batches with labels by people.

A part of training is clean and stays noisy as well; the truth of the rest serves to measure at most.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mct.base.errors import UserError
from mct.data.layouts.base import UNKNOWN, Layout, Row
from mct.data.layouts.classes import refuse_twice
from mct.data.layouts.draws import CLEAN_STREAM, VALIDATION_STREAM, choose, name_share
from mct.data.layouts.pickles import read_pickle
from mct.data.layouts.settings import DatasetSettings
from mct.data.layouts.stored import StoredLayout
from mct.data.pictures import as_png

SIDE, PIXEL_BYTES = 32, 3 * 32 * 32
TRUTH = "clean_label"


@dataclass(frozen=True, kw_only=True)
class Release:
    """Names of one of the two data sets' files and of what is in them."""

    folder: str
    training: tuple[str, ...]
    test: str
    meta: str
    names: str
    labels: str
    human: str


CIFAR10 = Release(
    folder="cifar-10-batches-py", human="CIFAR-10_human.pt",
    training=tuple(f"data_batch_{number}" for number in range(1, 6)), test="test_batch",
    meta="batches.meta", names="label_names", labels="labels",
)  # fmt: skip
CIFAR100 = Release(
    folder="cifar-100-python", human="CIFAR-100_human.pt", training=("train",), test="test",
    meta="meta", names="fine_label_names", labels="fine_labels",
)  # fmt: skip


class CifarN(StoredLayout):
    """CIFAR-10 or, where the label set is `noisy_label`, CIFAR-100 with human labels."""

    keys = ("clean_fraction", "validation_fraction", "label_set")
    missing = Layout.missing

    def __init__(self, settings: DatasetSettings) -> None:
        super().__init__(settings)
        self._release = CIFAR100 if settings.label_set == "noisy_label" else CIFAR10
        self._folder = self._root / self._release.folder
        self._human = self._root / self._release.human
        self._batches: dict[str, dict[str, Any]] = {}

    def _lists(self) -> list[Path]:
        files = [self._folder / self._release.test, self._folder / self._release.meta]
        # Training batches are pictures: too large to be read whenever the workflow is parsed.
        return files if self.is_synthetic else [self._human, *files]

    def class_names(self) -> list[str]:
        path = self._folder / self._release.meta
        found = _entry(read_pickle(path), self._release.names, path)
        if not isinstance(found, list):
            raise UserError(
                f"{path}: {self._release.names}: expected a list of names, got {found!r}; copy the file "
                "again"
            )
        names = [
            name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else str(name)
            for name in found
        ]
        refuse_twice(names, path)
        return names

    def clean_source(self) -> str:
        share = name_share(self._clean_fraction, "the training pictures")
        return f"{share}, with their true labels"

    def sizes(self) -> dict[str, int]:
        if self.is_synthetic:
            training = len(self._labels(self._release.training))
        else:
            training = len(_entry(read_pickle(self._human), TRUTH, self._human))
        validation = round(training * self.settings.validation_fraction)
        noisy, test = training - validation, len(self._labels((self._release.test,)))
        clean = round(noisy * self._clean_fraction)
        return {"noisy": noisy, "clean": clean, "validation": validation, "test": test}

    def _rows(self) -> Iterator[Row]:
        """Yield training rows, in the order of the batches, then test rows."""
        truth = self._labels(self._release.training)
        observed = self._observed(np.array(list(truth.values())))
        seed = self.settings.seed
        held_out = choose(truth, self.settings.validation_fraction, seed, VALIDATION_STREAM)
        clean = choose(truth.keys() - held_out, self._clean_fraction, seed, CLEAN_STREAM)
        for (key, label), given in zip(truth.items(), observed.tolist(), strict=True):
            is_held_out = key in held_out
            sets = {"noisy": not is_held_out, "clean": key in clean, "validation": is_held_out}
            yield Row(key, key, UNKNOWN if is_held_out else given, label, **sets)
        for key, label in self._labels((self._release.test,)).items():
            yield Row(key, key, true=label, test=True)

    def _labels(self, batches: tuple[str, ...]) -> dict[str, int]:
        """Return the true labels of batches by key, in their order."""
        return {
            f"{name}/{place:05d}.png": int(label)
            for name in batches
            for place, label in enumerate(self._batch(name)[self._release.labels])
        }

    def _observed(self, truth: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return people's labels of training, int64 (n,); unknown where noise is synthetic."""
        settings, classes = self.settings, len(self.class_names())
        if self.is_synthetic:
            return np.full(len(truth), UNKNOWN)
        human = read_pickle(self._human)
        truth_here = _integers(human, TRUTH, self._human, len(truth))
        if (truth_here != truth).any():
            raise UserError(
                f"{self._human}: {TRUTH} differs from the labels in {self._folder} at "
                f"{(truth_here != truth).sum()} pictures; expected the same order; copy both from one release"
            )
        observed = _integers(human, settings.label_set, self._human, len(truth))
        if observed.min(initial=0) < 0 or observed.max(initial=0) >= classes:
            raise UserError(
                f"{self._human}: {settings.label_set}: expected labels 0 to {classes - 1}; copy "
                "the file again, or name another dataset.label_set"
            )
        return observed

    def _batch(self, name: str) -> dict[str, Any]:
        """Return a batch whose pixels are uint8 (n, 3, 32, 32) and that has n labels."""
        if name not in self._batches:
            path = self._folder / name
            batch = read_pickle(path)
            pixels = _entry(batch, "data", path)
            labels = self._check_labels(_entry(batch, self._release.labels, path), path)
            shape = (len(labels), PIXEL_BYTES)
            if getattr(pixels, "dtype", None) != np.uint8 or pixels.shape != shape:
                got = getattr(pixels, "shape", type(pixels).__name__)
                raise UserError(
                    f"{path}: data: expected bytes of shape {shape}, got {got}; copy the file again"
                )
            pixels = pixels.reshape(-1, 3, SIDE, SIDE)
            self._batches[name] = {"data": pixels, self._release.labels: labels}
        return self._batches[name]

    def _check_labels(self, labels: Any, path: Path) -> list[int]:
        """Return the labels of a batch; UserError unless all are numbers of classes."""
        values, classes = np.asarray(labels), len(self.class_names())
        if values.ndim != 1 or (len(values) and values.dtype.kind not in "iuf"):
            raise UserError(
                f"{path}: {self._release.labels}: expected a list of numbers; copy the file again"
            )
        wrong = np.flatnonzero((values != np.round(values)) | (values < 0) | (values >= classes))
        if len(wrong):
            raise UserError(
                f"{path}: {self._release.labels}: entry {wrong[0]}: expected a whole number from 0 to "
                f"{classes - 1}, got {values[wrong[0]]}; copy the file again"
            )
        return values.astype(int).tolist()

    def read(self, path: str) -> bytes:
        name, _, place = path.removesuffix(".png").partition("/")
        pixels = self._batch(name)["data"][int(place)].transpose(1, 2, 0)
        return as_png(pixels)


def _entry(found: dict[str, Any], name: str, path: Path) -> Any:
    if name not in found:
        raise UserError(
            f"{path}: no {name} in it; it has {', '.join(sorted(found))}; copy the file again, or name "
            "another dataset.label_set"
        )
    return found[name]


def _integers(found: dict[str, Any], name: str, path: Path, count: int) -> NDArray[np.int64]:
    """Return an entry as int64 (count,); UserError if it is something else."""
    values = np.asarray(_entry(found, name, path))
    if values.dtype.kind not in "iu" or values.shape != (count,):
        raise UserError(
            f"{path}: {name}: expected {count} integers, got {values.dtype} of shape {values.shape}; "
            "copy the file again, or name another dataset.label_set"
        )
    return values.astype(np.int64)
