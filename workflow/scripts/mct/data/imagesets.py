"""A set of pictures over all its shards, and the index that says what the shards hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mct.base.errors import UserError
from mct.base.files import file_digest, read_json
from mct.data.images import decode_plain
from mct.data.pictures import Picture
from mct.data.shards import Shard, open_shard


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """Pictures of one set, in the order of the catalogue whatever the number of shards.

    All arrays have shape (n,): `shard` and `index` say where a picture lies, `label` (int64) is
    what a model is trained or tested on, `observed` and `true` (int64) are as in the shards.
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
        sizes = {shard.attributes["size"] for shard in self.shards if shard.pixels is not None}
        return sizes.pop() if len(sizes) == 1 else None

    @cached_property
    def is_encoded(self) -> bool:
        """Whether shards keep pictures as encoded files."""
        return any(shard.pixels is None for shard in self.shards)

    def read(self, position: int) -> Picture:
        """Return the picture at `position`, decoded, uint8 (height, width, 3); may be read-only."""
        if self.is_encoded:
            return decode_plain(*self.read_encoded(position))
        return self.shards[self.shard[position]].read(int(self.index[position]))

    def read_encoded(self, position: int) -> tuple[bytes, str]:
        """Return the encoded picture at `position`, and what to call it in an error."""
        shard, index = self.shards[self.shard[position]], int(self.index[position])
        return shard.read(index).tobytes(), f"{shard.path}: {shard.fields['key'][index].decode()}"

    def read_many(self, positions: NDArray[np.int64]) -> Picture:
        """Return pictures that are kept as pixels, uint8 (b, size, size, 3); a copy."""
        numbers, size = self.shard[positions], self.pixel_size or 0
        pictures = np.empty((len(positions), size, size, 3), np.uint8)
        for number in np.unique(numbers):
            chosen = np.flatnonzero(numbers == number)
            pictures[chosen] = self.shards[number].read_many(self.index[positions[chosen]])
        return pictures

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


def open_set(name: str, paths: Sequence[Path]) -> ImageSet:
    """Open the shards of one set: noisy, clean, union (of both), validation or test.

    The label is the observed one in noisy; the true one in clean, validation and test; in the
    union the true one where the picture is in the clean set. A picture in both counts once.
    """
    shards = [open_shard(path) for path in paths]
    column = {name: _join(shards, name) for name in ("sample", "observed", "true", "in_clean")}
    shard = np.repeat(np.arange(len(shards)), [len(part) for part in shards])
    index = np.concatenate([np.arange(len(part)) for part in shards])
    _, chosen = np.unique(column["sample"], return_index=True)
    if name == "noisy":
        label = column["observed"]
    elif name == "union":
        label = np.where(column["in_clean"], column["true"], column["observed"])
    else:
        label = column["true"]
    return ImageSet(
        shards=shards,
        shard=shard[chosen],
        index=index[chosen],
        sample=column["sample"][chosen],
        label=label[chosen].astype(np.int64),
        observed=column["observed"][chosen].astype(np.int64),
        true=column["true"][chosen].astype(np.int64),
        in_clean=column["in_clean"][chosen].astype(bool),
        classes=shards[0].attributes["classes"],
    )


def _join(shards: Sequence[Shard], name: str) -> NDArray[Any]:
    return np.concatenate([shard.fields[name] for shard in shards])


def index_shards(set_name: str, paths: Sequence[Path]) -> dict[str, Any]:
    """Return what the shards of a set hold, verified picture by picture.

    Counts per class, and the SHA-256 of every file, which finds any flipped byte.
    """
    image_set = open_set(set_name, paths)
    for shard in image_set.shards:
        shard.verify()
    return {
        "set": set_name,
        "classes": image_set.classes,
        "samples": len(image_set),
        "samples_per_class": {
            kind: np.bincount(labels[labels >= 0], minlength=image_set.classes).tolist()
            for kind, labels in (("observed", image_set.observed), ("true", image_set.true))
        },
        "files": {path.name: file_digest(path) for path in paths},
    }


def open_training_set(name: str, indices: Mapping[str, Path]) -> ImageSet:
    """Open the set noisy, clean or union (of both) that indices describe."""
    members = ("noisy", "clean") if name == "union" else (name,)
    return open_set(name, [path for member in members for path in indexed_files(indices[member])])


def indexed_files(index: Path) -> list[Path]:
    """Return the shards that an index lists; they lie beside it."""
    return [index.parent / name for name in read_index(index)["files"]]


def read_sizes(indices: Mapping[str, Path]) -> dict[str, int]:
    """Return the number of pictures of each set."""
    return {name: read_index(path)["samples"] for name, path in indices.items()}


def read_index(path: Path) -> dict[str, Any]:
    """Return an index that `index_shards` made."""
    return read_json(path, "files", "samples", "classes")


def verify_index(index: Path) -> int:
    """Compare every shard with its index; return how many there are, UserError if one differs."""
    files = read_index(index)["files"]
    for name, digest in files.items():
        path = index.parent / name
        if not path.is_file():
            raise UserError(f"{path}: missing, but listed in {index}; rerun to write it again")
        if file_digest(path) != digest:
            raise UserError(f"{path}: not the file that {index} lists; delete it and rerun")
    return len(files)
