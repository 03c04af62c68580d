"""The catalogue: one row per picture, whatever arrangement the data set came in.

Columns of the TSV file: key, path, observed label, true label (-1 = unknown), 0 or 1 for membership
in the sets noisy, clean, validation and test, and whether somebody verified the observed label as
right (1) or wrong (0; -1 = nobody did). A picture can be in noisy and clean.
"""

import hashlib
import operator
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mct.base.errors import UserError, preview
from mct.base.files import table_rows, write_rows
from mct.data.layouts.base import LISTED, Layout, Row
from mct.labels.synthetic import check_noise, read_matrix

SETS = ("noisy", "clean", "validation", "test")
COLUMNS = ("key", "path", "observed", "true", *SETS, "right")


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """All pictures in columns of length n; labels and `right` int64, membership bool."""

    keys: list[str]
    paths: list[str]
    observed: NDArray[np.int64]
    true: NDArray[np.int64]
    right: NDArray[np.int64]
    members: dict[str, NDArray[np.bool_]]

    def __len__(self) -> int:
        return len(self.keys)

    def doubly_labelled(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return observed and true labels of the clean and validation pictures that have both.

        None where verdicts chose them: true labels are then known where the observed one is right,
        which says nothing of how labels are confused.
        """
        known = (self.members["clean"] | self.members["validation"]) & (self.observed >= 0)
        if ((self.right == 0) & (self.true < 0)).any():
            known = np.zeros_like(known)
        return self.observed[known], self.true[known]

    def verified(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return observed labels that somebody verified, and whether they are wrong, shape (n,).

        A label is verified by a person's verdict, or by the true label of a clean or validation
        picture; verdicts come first.
        """
        judged = self.right >= 0
        if judged.any():
            return self.observed[judged], self.right[judged] == 0
        observed, true = self.doubly_labelled()
        return observed, observed != true


def build_catalogue(layout: Layout, threads: int = 1, *, check_files: bool = True) -> Catalogue:
    """Return the checked catalogue of a data set; `threads` read pictures where noise needs them.

    With `LISTED` threads it is the catalogue without synthetic noise, which needs no picture.
    UserError for a listed picture that is not there, where `check_files` says so; a key in the test
    set and in training, a key listed twice, an empty set, fewer than two classes.
    """
    classes = layout.class_names()
    if len(classes) < 2:
        raise UserError(
            f"dataset: expected at least two classes, found {len(classes)}: {preview(classes)}"
        )
    catalogue = from_rows(layout.rows(threads))
    check_catalogue(catalogue)
    missing = layout.missing(catalogue.paths) if check_files else []
    if missing:
        raise UserError(
            f"dataset: {len(missing)} of {len(catalogue)} listed pictures are not there: "
            f"{preview(missing)}; put them there, or take them out of the lists"
        )
    return catalogue


def check_made_sets(layout: Layout) -> None:
    """Raise UserError where a data set without lists cannot give a catalogue; reads no picture."""
    check_noise(layout.settings.synthetic_noise, len(layout.class_names()))
    for name, size in layout.sizes().items():
        _refuse_empty(name, size)


def _refuse_empty(name: str, size: int) -> None:
    if not size:
        raise UserError(f"dataset: the {name} set is empty; expected at least one picture")


def from_rows(rows: Iterable[Row]) -> Catalogue:
    """Return a catalogue of rows."""
    rows = list(rows)

    def column(name: str, kind: type) -> NDArray:
        return np.fromiter(map(operator.attrgetter(name), rows), kind, len(rows))

    return Catalogue(
        keys=[row.key for row in rows],
        paths=[row.path for row in rows],
        members={name: column(name, np.bool_) for name in SETS},
        **{name: column(name, np.int64) for name in ("observed", "true", "right")},
    )


def check_catalogue(catalogue: Catalogue) -> None:
    """Raise UserError if a key stands twice, test and training overlap or a set is empty."""
    if len(set(catalogue.keys)) < len(catalogue):
        twice = [key for key, count in Counter(catalogue.keys).items() if count > 1]
        raise UserError(f"dataset: {len(twice)} keys are listed twice: {preview(twice)}")
    training = catalogue.members["noisy"] | catalogue.members["clean"]
    _check_labels(catalogue)
    others = {"training": training, "validation": catalogue.members["validation"]}
    for name, members in others.items():
        both = [catalogue.keys[i] for i in np.flatnonzero(members & catalogue.members["test"])]
        if both:
            raise UserError(f"dataset: {len(both)} keys are in test and in {name}: {preview(both)}")
    for name, members in catalogue.members.items():
        _refuse_empty(name, int(members.sum()))


def _check_labels(catalogue: Catalogue) -> None:
    for name, members in catalogue.members.items():
        labels = catalogue.observed if name == "noisy" else catalogue.true
        lacking = [catalogue.keys[i] for i in np.flatnonzero(members & (labels < 0))]
        if lacking:
            kind = "observed" if name == "noisy" else "true"
            raise UserError(
                f"dataset: {len(lacking)} {name} pictures have no {kind} label: {preview(lacking)}"
            )


def write_catalogue(catalogue: Catalogue, path: Path) -> None:
    """Write a catalogue as a TSV file."""
    flags = [catalogue.members[name].astype(np.uint8).tolist() for name in SETS]
    labels = catalogue.observed.tolist(), catalogue.true.tolist()
    right = catalogue.right.tolist()
    rows = zip(catalogue.keys, catalogue.paths, *labels, *flags, right, strict=True)
    write_rows(path, COLUMNS, rows)


def read_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a TSV file that `write_catalogue` made; UserError if it is damaged."""
    with table_rows(path, "a catalogue", COLUMNS) as rows:
        for key, name, observed, true, *flags, right in rows:
            row = Row(key, name, int(observed), int(true), *(flag == "1" for flag in flags))
            yield row._replace(right=int(right))


def read_catalogue(path: Path) -> Catalogue:
    """Return the catalogue of a TSV file that `write_catalogue` made."""
    return from_rows(read_rows(path))


def source_digest(layout: Layout, catalogue: Catalogue | None = None) -> str:
    """Return the SHA-256 of what the lists say: rows, their order, the number of classes.

    Another spelling of the same rows gives the same digest. Synthetic noise is not part of it, but
    the matrix that it is made from is. The `catalogue` with `LISTED` threads is given where it is
    there already.
    """
    classes = len(layout.class_names())
    digest = hashlib.sha256(str(classes).encode())
    if layout.has_lists:
        catalogue = catalogue or from_rows(layout.rows(LISTED))
        for texts in (catalogue.keys, catalogue.paths):
            digest.update("\n".join(texts).encode("utf-8", "surrogateescape"))
        for values in (catalogue.observed, catalogue.true, catalogue.right):
            digest.update(values.tobytes())
        for name in SETS:
            digest.update(catalogue.members[name].tobytes())
    if layout.settings.synthetic_noise.matrix:
        matrix = read_matrix(Path(layout.settings.synthetic_noise.matrix), classes)
        digest.update(matrix.tobytes())
    return digest.hexdigest()


def class_counts(catalogue: Catalogue, classes: int) -> dict[str, list[int]]:
    """Return how many pictures of each class a set has: observed in noisy, true in the others."""

    def count(name: str) -> list[int]:
        labels = catalogue.observed if name == "noisy" else catalogue.true
        return np.bincount(labels[catalogue.members[name]], minlength=classes).tolist()

    return {name: count(name) for name in SETS}
