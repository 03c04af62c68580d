"""The shard: one HDF5 file of pictures by key, readable with h5py alone.

What is known of a picture, its labels above all, is not in it; see `label_table`.

`FIELDS` and the attributes are the whole format; docs/shards.md describes it. Pictures lie back to
back in one contiguous data set, either as they were encoded (`payload`, uint8 of all bytes,
`offset` saying where each begins) or decoded and fitted (`payload`, uint8 of shape
(n, size, size, 3)). A file of features has the same form: the outputs of a frozen net for several
views of each picture (`payload`, float32 of shape (n, views, d)). Every picture has a CRC-32, checked
whenever it is read; all other bytes of the file are covered by a SHA-256 in its user block, checked
before HDF5 sees the file: HDF5 can crash on a damaged structure.
"""

import hashlib
import json
import os
import weakref
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from mct.base.errors import UserError
from mct.base.files import file_digest, open_hdf5, parsing, unreadable

VERSION = 3
FIELDS = {
    "key": ("S", "key of the picture in its data set, UTF-8"),
    "offset": (
        "int64",
        "n + 1 positions in payload: picture i is payload[offset[i]:offset[i + 1]]",
    ),
    "crc32": ("uint32", "CRC-32 of the picture's bytes"),
}
ROW_TYPES = {"pixels": np.uint8, "features": np.float32}
"""Of what is kept as arrays of one shape, by the encoding."""
SEAL_BYTES = 512
"""Size of the user block, the smallest that HDF5 admits."""


def payload_place(payload: h5py.Dataset) -> tuple[int, int]:
    """Return position and bytes of the payload in the file."""
    return (payload.id.get_offset(), payload.nbytes) if payload.nbytes else (SEAL_BYTES, 0)


def seal(path: Path, start: int, count: int) -> None:
    """Write into a shard's user block where its payload lies and the SHA-256 of all else."""
    text = {"payload": [start, count], "sha256": _structure_digest(path, start, count)}
    with path.open("r+b") as file:
        file.write(json.dumps(text).encode().ljust(SEAL_BYTES, b"\0"))


def _structure_digest(path: Path, start: int, count: int) -> str:
    """Return the SHA-256 of a file without its user block and its payload."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(SEAL_BYTES)
        digest.update(file.read(start - SEAL_BYTES))
        file.seek(start + count)
        digest.update(file.read())
    return digest.hexdigest()


def check_seal(path: Path) -> str:
    """Return the digest of a shard's structure; UserError unless it is as it was written."""
    try:
        with path.open("rb") as file:
            seal = json.loads(file.read(SEAL_BYTES).rstrip(b"\0"))
        start, count = seal["payload"]
        intact = start >= SEAL_BYTES and count >= 0 and start + count <= path.stat().st_size
        intact = intact and _structure_digest(path, start, count) == seal["sha256"]
    except OSError as error:
        raise unreadable(path, error, "a shard") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: cannot be read as a shard: no seal with a checksum; {REMEDY}"
        ) from error
    if not intact:
        raise UserError(f"{path}: cannot be read as a shard: wrong checksum; {REMEDY}")
    return seal["sha256"]


@dataclass(frozen=True, kw_only=True)
class Shard:
    """An open, verified shard of n pictures; arrays of length n as in `FIELDS`.

    `seal` is the digest of all but the pictures, keys included. `file` is the descriptor that the
    payload is read from; where pictures are kept as arrays of one shape, `rows` maps them: pixels,
    uint8 (n, size, size, 3), or features, float32 (n, views, d). Features and encoded pictures are read
    by position: mapped pages would count as memory of the process. Several threads may read at the
    same time.
    """

    path: Path
    seal: str
    attributes: dict[str, Any]
    fields: dict[str, NDArray[Any]]
    file: int
    payload_start: int
    rows: NDArray[Any] | None

    def __len__(self) -> int:
        return len(self.fields["key"])

    @property
    def encoding(self) -> str:
        """The form of the pictures: encoded, pixels or features."""
        return self.attributes["encoding"]

    def read(self, index: int) -> NDArray[np.uint8]:
        """Return a picture as it is stored: uint8 (bytes,), or its row of `rows`; read-only.

        UserError if the bytes are not those that were written, or cannot be read.
        """
        picture: Any = self._read_encoded(index) if self.rows is None else self.rows[index]
        if zlib.crc32(picture) != self.fields["crc32"][index]:
            raise self._damaged(index)
        return picture

    def _read_encoded(self, index: int) -> NDArray[np.uint8]:
        start, stop = self.fields["offset"][index : index + 2].tolist()
        try:
            data = os.pread(self.file, stop - start, self.payload_start + start)
        except OSError as error:
            raise unreadable(self.path, error) from error
        return np.frombuffer(data, np.uint8)

    def read_many(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        """Return a copy of these `rows`, shape (b, ...); UserError if one is damaged."""
        assert self.rows is not None
        pictures = self._read_rows(indices) if self.encoding == "features" else self.rows[indices]
        checksums = np.fromiter(map(zlib.crc32, pictures), np.uint32, len(pictures))
        wrong = np.flatnonzero(checksums != self.fields["crc32"][indices])
        if len(wrong):
            raise self._damaged(int(indices[wrong[0]]))
        return pictures

    def _read_rows(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        assert self.rows is not None
        found = np.empty((len(indices), *self.rows.shape[1:]), self.rows.dtype)
        try:
            for row, index in zip(found, indices.tolist(), strict=True):
                os.preadv(self.file, [row], self.payload_start + index * row.nbytes)
        except OSError as error:
            raise unreadable(self.path, error) from error
        return found

    def _damaged(self, index: int) -> UserError:
        key = self.fields["key"][index].decode()
        return UserError(f"{self.path}: picture {key}: wrong checksum; {REMEDY}")

    def expect(self, indices: NDArray[np.int64]) -> None:
        """Ask the system to fetch encoded pictures, which will be read soon."""
        if self.rows is not None or not hasattr(os, "posix_fadvise"):
            return
        starts = self.fields["offset"][indices] + self.payload_start
        counts = self.fields["offset"][indices + 1] - self.fields["offset"][indices]
        for start, count in zip(starts.tolist(), counts.tolist(), strict=True):
            with suppress(OSError):  # only a hint
                os.posix_fadvise(self.file, start, count, os.POSIX_FADV_WILLNEED)

    def verify(self) -> None:
        """Read every picture; UserError at the first that is not as it was written."""
        for index in range(len(self)):
            self.read(index)


REMEDY = "the file is damaged: delete it and rerun"


def open_shard(path: Path) -> Shard:
    """Open a shard and verify all of it but the pictures, which are verified as they are read.

    UserError for what is no shard, a shard of another version, or a damaged one.
    """
    digest = check_seal(path)
    errors = (KeyError, RuntimeError, TypeError, ValueError, AttributeError)
    with parsing(path, "a shard", *errors, advice=REMEDY):
        with open_hdf5(path) as file:
            attributes = {name: _plain(value) for name, value in file.attrs.items()}
            _check_version(path, attributes)
            fields = {name: file[name][()] for name in FIELDS}
            shape, place = file["payload"].shape, payload_place(file["payload"])
        is_encoded = attributes["encoding"] == "encoded"
        expected = int(fields["offset"][-1]) if is_encoded else len(fields["key"])
        if shape[0] != expected:
            raise UserError(
                f"{path}: expected a payload of length {expected}, got {shape[0]}; {REMEDY}"
            )
        rows = None if is_encoded else _map_rows(path, attributes["encoding"], shape, place[0])
        shard = Shard(
            path=path, seal=digest, attributes=attributes, fields=fields, rows=rows,
            payload_start=place[0], file=os.open(path, os.O_RDONLY),
        )  # fmt: skip
    weakref.finalize(shard, os.close, shard.file)
    return shard


def index_shard(path: Path) -> dict[str, Any]:
    """Return what a shard is, verified picture by picture: its pictures and digests.

    `sha256` covers the whole file and finds any flipped byte; `seal` covers all but the pictures.
    """
    shard = open_shard(path)
    shard.verify()
    return {"pictures": len(shard), "seal": shard.seal, "sha256": file_digest(path)}


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _check_version(path: Path, attributes: dict[str, Any]) -> None:
    form, version = attributes.get("format"), attributes.get("version")
    if (form, version) == ("mct-shard", 2):
        raise UserError(
            f"{path}: expected an mct-shard of version {VERSION}, got version 2, which holds labels; these "
            "are in a table of their own now, so all stages run again, once; e3bb913 is the last commit "
            "that reads version 2"
        )
    if (form, version) != ("mct-shard", VERSION):
        raise UserError(
            f"{path}: expected an mct-shard of version {VERSION}, got {form} {version}; {REMEDY}"
        )


def _map_rows(path: Path, encoding: str, shape: tuple[int, ...], start: int) -> NDArray[Any]:
    """Map rows into memory: threads then read them without HDF5's lock."""
    dtype = ROW_TYPES[encoding]
    if not all(shape):
        return np.zeros(shape, dtype)
    return np.memmap(path, dtype, mode="r", offset=start, shape=shape)
