"""Synthetic noise for the rows of any layout whose noisy pictures have true labels."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from mct.base.errors import BrokenPictureError, UserError, preview
from mct.base.threads import map_in_threads
from mct.data.layouts.base import LISTED, UNKNOWN, Row
from mct.data.layouts.settings import DatasetSettings
from mct.data.pictures import decode
from mct.labels.synthetic import SIDE, check_noise, picture_features, synthetic_labels

Read = Callable[[str], bytes]


def corrupt_rows(
    rows: Iterable[Row], settings: DatasetSettings, classes: int, read: Read, threads: int
) -> Iterator[Row]:
    """Yield rows in which observed labels of the noisy set are made wrong, and no others are known.

    Noise of kind `none` leaves them as they are. Which are wrong depends on seed and keys, for some
    kinds on pictures, not on the order of rows. With `LISTED` threads everything is checked, and
    the observed labels are the true ones. UserError for a noisy picture whose true label is not
    known, and for noise that is not defined.
    """
    if settings.synthetic_noise.kind == "none":
        yield from rows
        return
    rows = list(rows)
    noisy = sorted((row for row in rows if row.noisy), key=lambda row: row.key)
    lacking = [row.key for row in noisy if row.true == UNKNOWN]
    if lacking:
        raise UserError(
            f"dataset.synthetic_noise: {len(lacking)} noisy pictures have no true label to make a "
            f"wrong one from: {preview(lacking)}; give them in dataset.measuring_labels"
        )
    check_noise(settings.synthetic_noise, classes)
    if threads == LISTED:
        labels = [row.true for row in noisy]
    else:
        labels = _make_labels(noisy, settings, classes, read, threads).tolist()
    observed = dict(zip((row.key for row in noisy), labels, strict=True))
    for row in rows:
        label = observed[row.key] if row.noisy else UNKNOWN
        yield row._replace(observed=label, right=UNKNOWN)


def _make_labels(
    rows: list[Row], settings: DatasetSettings, classes: int, read: Read, threads: int
) -> NDArray[np.int64]:
    """Return observed labels, shape (n,), of rows that have true ones."""
    true = np.array([row.true for row in rows], np.int64)

    def features(positions: NDArray[np.intp]) -> NDArray[np.float64]:
        paths = (rows[position].path for position in positions)
        return np.stack(
            list(map_in_threads(lambda path: _read_features(path, read), paths, threads))
        )

    return synthetic_labels(true, settings.synthetic_noise, classes, settings.seed, features)


def _read_features(path: str, read: Read) -> NDArray[np.float64]:
    """Return a picture's features; 0 for one that is broken, which its shard leaves out."""
    try:
        return picture_features(decode(read(path), path))
    except BrokenPictureError:
        return np.zeros(3 * SIDE * SIDE)
