"""A set of pictures: rows of the table of labels, over the shards that hold the pictures.

In place of shards a set may have files of features of the same pictures; see `shards`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mct.base.errors import UserError
from mct.base.files import file_digest
from mct.data.images import decode_plain
from mct.data.label_table import members_of, read_columns, read_index
from mct.data.pictures import Picture
from mct.data.shards import REMEDY, Shard, open_shard

LABELS = ("sample", "observed", "true", "noisy", "clean", "validation", "test", "shard", "place")
"""Columns of the table of labels that a set is made of."""


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """Pictures of one set, in the order of the catalogue whatever the number of shards.

    All arrays have shape (n,): `shard` and `index` say where a picture lies, `label` (int64) is
    what a model is trained or tested on, `observed` and `true` (int64) are as in the table of labels.
    """

    shards: Sequence[Shard]
    shard: NDArray[np.int64]
    index: NDArray[np.int64]
    sample: NDArray[np.int64]
    label: NDArray[np.int64]
    observed: NDArray[np.int64]
    true: NDArray[np.int64]
    in_clean: NDArray[np.bool_]
    classes: int

    def __len__(self) -> int:
        return len(self.sample)

    @cached_property
    def pixel_size(self) -> int | None:
        """The height and width at which shards keep pictures decoded; None where they are encoded."""
        sizes = {shard.attributes["size"] for shard in self.shards if shard.encoding == "pixels"}
        return sizes.pop() if len(sizes) == 1 else None

    @cached_property
    def holds_features(self) -> bool:
        """Whether a frozen net's outputs for the pictures are kept, and not the pictures."""
        return any(shard.encoding == "features" for shard in self.shards)

    @cached_property
    def is_encoded(self) -> bool:
        """Whether shards keep pictures as encoded files."""
        return any(shard.rows is None for shard in self.shards)

    def read(self, position: int) -> Picture:
        """Return the picture at `position`, decoded, uint8 (height, width, 3); may be read-only."""
        if self.is_encoded:
            return decode_plain(*self.read_encoded(position))
        return self.shards[self.shard[position]].read(int(self.index[position]))

    def read_encoded(self, position: int) -> tuple[bytes, str]:
        """Return the encoded picture at `position`, and what to call it in an error."""
        shard, index = self.shards[self.shard[position]], int(self.index[position])
        return shard.read(index).tobytes(), f"{shard.path}: {shard.fields['key'][index].decode()}"

    def read_many(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        """Return pixels, uint8 (b, size, size, 3), or features, float32 (b, views, d); a copy."""
        numbers, rows = self.shard[positions], self.shards[0].rows
        assert rows is not None
        found = np.empty((len(positions), *rows.shape[1:]), rows.dtype)
        for number in np.unique(numbers):
            chosen = np.flatnonzero(numbers == number)
            found[chosen] = self.shards[number].read_many(self.index[positions[chosen]])
        return found

    def expect(self, positions: NDArray[np.int64]) -> None:
        """Ask the system to fetch pictures that will be read soon."""
        numbers = self.shard[positions]
        for number in np.unique(numbers) if self.shards else ():
            self.shards[number].expect(self.index[positions[numbers == number]])

    def in_storage_order(self, positions: NDArray[np.int64]) -> NDArray[np.intp]:
        """Return the order of positions in which their pictures lie in the shards, shape (b,)."""
        return np.lexsort((self.index[positions], self.shard[positions]))

    def take(self, positions: NDArray[np.integer]) -> "ImageSet":
        """Return the pictures at these positions alone, in this order; integers of shape (m,)."""
        columns = ("shard", "index", "sample", "label", "observed", "true", "in_clean")
        return replace(self, **{name: getattr(self, name)[positions] for name in columns})

    def unverified(self) -> "ImageSet":
        """Return the pictures that are not in the clean set."""
        return self.take(np.flatnonzero(~self.in_clean))

    def keys(self) -> NDArray[np.bytes_]:
        """Return the pictures' keys, shape (n,)."""
        columns = [shard.fields["key"] for shard in self.shards]
        starts = np.cumsum([0] + [len(column) for column in columns])
        return np.concatenate(columns)[starts[self.shard] + self.index]


def open_set(name: str, labels: Path, *, features: bool = False, only_shard: str = "") -> ImageSet:
    """Open one set: noisy, clean, union (of both), validation or test.

    The label is the observed one in noisy; the true one in clean, validation and test; in the union
    the true one where the picture is in the clean set. A picture in both counts once. UserError if
    a shard is damaged, or not the one that the labels were joined with. The shards lie next to
    `labels`, the table; with `features`, files of these are opened in their place, in the folder
    `features` next to `shards`. With `only_shard`, the name of a shard's file, the set is only what
    this shard holds.
    """
    index, table = read_index(labels), read_columns(labels, *LABELS)
    folder = labels.parents[2] / "features" / labels.parent.name if features else labels.parent
    rows, names = members_of(table, name), list(index["files"])
    if only_shard:
        rows = rows[table["shard"][rows] == names.index(only_shard)]
    column = {key: table[key][rows] for key in LABELS}
    numbers, shard = np.unique(column["shard"], return_inverse=True)
    shards = [_open(folder / names[i], index["seals"][names[i]], features) for i in numbers]
    _check_rows(shards)
    if name == "noisy":
        label = column["observed"]
    elif name == "union":
        label = np.where(column["clean"], column["true"], column["observed"])
    else:
        label = column["true"]
    observed, true = (column[kind].astype(np.int64) for kind in ("observed", "true"))
    return ImageSet(
        shards=shards, shard=shard.astype(np.int64), index=column["place"].astype(np.int64),
        sample=column["sample"], label=label.astype(np.int64), observed=observed, true=true,
        in_clean=column["clean"], classes=index["classes"],
    )  # fmt: skip


def _open(path: Path, seal: str, is_made_of_it: bool) -> Shard:
    """Return the shard of a seal, or a file of features of its pictures."""
    shard = open_shard(path)
    if (shard.attributes["source"] if is_made_of_it else shard.seal) != seal:
        what = (
            "features of another shard; delete the file and rerun"
            if is_made_of_it
            else f"not the shard that the labels next to it were joined with; {REMEDY}"
        )
        raise UserError(f"{path}: {what}")
    return shard


def _check_rows(shards: Sequence[Shard]) -> None:
    """Raise UserError where files of features are not of one shape: one is of another net, or views."""
    shapes = {
        s.path: s.rows.shape[1:] for s in shards if s.encoding == "features" and s.rows is not None
    }
    for path, shape in shapes.items():
        if shape != (expected := next(iter(shapes.values()))):
            raise UserError(
                f"{path}: expected features of shape {expected}, as in the files next to it, got "
                f"{shape}; delete the files of features and rerun"
            )


def verify_index(labels: Path) -> int:
    """Compare every shard with its digest; return how many there are, UserError if one differs."""
    files = read_index(labels)["files"]
    for name, digest in files.items():
        path = labels.parent / name
        if not path.is_file():
            raise UserError(f"{path}: missing, but listed in {labels}; rerun to write it again")
        if file_digest(path) != digest:
            raise UserError(f"{path}: not the file that {labels} lists; delete it and rerun")
    return len(files)
