"""The judgement of observed labels by a posterior of the true class, and its files."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mct.base.errors import UserError
from mct.base.files import open_hdf5, parsing, write_arrays


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What is thought of labels, arrays of shape (n,).

    `wrong` is the probability that a label is wrong, `proposed` (int64) the most probable class
    and `certainty` its probability.
    """

    wrong: NDArray[np.float64]
    proposed: NDArray[np.int64]
    certainty: NDArray[np.float64]


FIELDS = tuple(field.name for field in fields(Judgement))


def judge(posterior: NDArray[np.float64], observed: NDArray[np.integer]) -> Judgement:
    """Return what a posterior (n, K) says of observed labels (n,)."""
    rows = np.arange(len(observed))
    proposed = posterior.argmax(axis=1)
    wrong = 1 - posterior[rows, observed]
    return Judgement(wrong=wrong, proposed=proposed, certainty=posterior[rows, proposed])


def join(parts: Sequence[Judgement]) -> Judgement:
    """Return the judgements of parts of a set, one after the other."""
    return Judgement(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in FIELDS}
    )


def write_judgement(sample: NDArray[np.int64], judgement: Judgement, path: Path) -> None:
    """Write what is thought of the labels of samples, shape (n,), as HDF5."""
    found = {name: getattr(judgement, name) for name in FIELDS}
    write_arrays(path, {"sample": sample, **found}, {"axes": "sample"})


def read_judgements(sample: NDArray[np.int64], paths: Sequence[Path]) -> Judgement:
    """Return what parts that `write_judgement` wrote say of samples (n,), ascending, in that order.

    UserError if a part is damaged, or they are not of these samples.
    """
    columns: dict[str, list[NDArray]] = {name: [] for name in ("sample", *FIELDS)}
    for path in paths:
        with parsing(path, "a judgement", KeyError), open_hdf5(path) as file:
            for name, parts in columns.items():
                parts.append(file[name][()])
    whole = {name: np.concatenate(parts) for name, parts in columns.items()}
    order = np.argsort(whole.pop("sample"))
    if not np.array_equal(np.concatenate(columns["sample"])[order], sample):
        raise UserError(f"{paths[0].parent}: judgements of other pictures; delete them and rerun")
    return Judgement(**{name: values[order] for name, values in whole.items()})
