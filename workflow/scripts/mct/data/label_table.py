"""The table of labels: what is known of every listed picture, and where its shard holds it.

One Parquet file next to the shards, written by `labelling`. `COLUMNS` is its whole format, with one
row per picture in the order of the catalogue; the file's metadata hold, as JSON under `mct`, the number
of classes, the pictures of each set, and the digests of the shards that it was joined with by key. Under
`seal` is the SHA-256 of the file with zeros for its digits, checked before polars sees the file, which may
panic at a damaged one.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mct.base.errors import UserError
from mct.base.files import parsing

if TYPE_CHECKING:
    import polars

FORMAT, VERSION = "mct-labels", 1
COLUMNS = {
    "sample": ("Int64", "row of the picture in the catalogue; keys its augmentation"),
    "key": ("String", "key of the picture in its data set"),
    "path": ("String", "where the data set has its file"),
    "observed": ("Int32", "observed label, -1 = unknown"),
    "true": ("Int32", "true label, -1 = unknown; usable in training only where clean"),
    "right": ("Int8", "verdict on the observed label: 1 right, 0 wrong, -1 = none"),
    "noisy": ("Boolean", "whether the picture is listed in the noisy set"),
    "clean": ("Boolean", "whether it is listed in the clean set"),
    "validation": ("Boolean", "whether it is listed in the validation set"),
    "test": ("Boolean", "whether it is listed in the test set"),
    "left_out": ("String", "why no set has it, empty where its sets have it"),
    "shard": ("Int32", "number of its shard in the list of shards, -1 where it is left out"),
    "place": ("Int32", "its place in that shard, -1 where it is left out"),
}
SEAL, UNSEALED = b"sha256:", 64 * b"0"
FACTS = ("classes", "samples", "samples_per_class", "files", "seals")


def polars_library() -> Any:
    """Return polars, imported when a table is read; one thread is enough, of hundreds of ranks."""
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    import polars

    return polars


def read_table(path: Path, columns: Sequence[str] | None = None) -> "polars.DataFrame":
    """Return a table of labels, or some of its columns; UserError if it cannot be read."""
    with _bytes_of(path) as (library, data):
        return library.read_parquet(data, columns=columns)


def read_columns(path: Path, *names: str) -> dict[str, NDArray[Any]]:
    """Return columns of a table of labels as arrays of shape (n,)."""
    table = read_table(path, names)
    return {name: table[name].to_numpy() for name in names}


def read_index(path: Path) -> dict[str, Any]:
    """Return what a table of labels says of its sets and shards; see `FACTS`.

    `samples` has the pictures of each set, `files` the SHA-256 of each shard by name, `seals` the
    digests that an opened shard has.
    """
    with _bytes_of(path) as (library, data):
        facts = json.loads(library.read_parquet_metadata(data)["mct"])
        found = (facts["format"], facts["version"])
        facts = {name: facts[name] for name in FACTS}
    if found != (FORMAT, VERSION):
        raise UserError(f"{path}: expected {FORMAT} {VERSION}, got {found}; delete it and rerun")
    return facts


@contextmanager
def _bytes_of(path: Path) -> Iterator[tuple[Any, io.BytesIO]]:
    """Yield polars and a table's bytes, a few for each picture; UserError if they are no table's."""
    library = polars_library()
    errors = (KeyError, ValueError, TypeError, library.exceptions.PolarsError)
    with parsing(path, "a table of labels", *errors):
        data = path.read_bytes()
        if sealed(data) != data:
            raise ValueError("wrong checksum")
        yield library, io.BytesIO(data)


def sealed(data: bytes) -> bytes:
    """Return the bytes of a table of labels with the digits of their digest after `SEAL`."""
    before, mark, after = data.rpartition(SEAL)
    start, end = before + mark, after[len(UNSEALED) :]
    return start + hashlib.sha256(start + UNSEALED + end).hexdigest().encode() + end


def members_of(table: dict[str, NDArray[Any]], name: str) -> NDArray[np.intp]:
    """Return the rows of a set: noisy, clean, union (of both), validation or test; else UserError."""
    sets = [*(name for name, (kind, _) in COLUMNS.items() if kind == "Boolean"), "union"]
    if name not in sets:
        raise UserError(f"no set {name!r}; expected one of {', '.join(sets)}")
    listed = table["noisy"] | table["clean"] if name == "union" else table[name]
    return np.flatnonzero(listed & (table["shard"] >= 0))
