"""Dealing the inspected pictures of a set to shards, and writing one; see `shards` for the format."""

import hashlib
import tempfile
import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from mct.base.errors import UserError
from mct.base.files import replacing
from mct.base.hdf5 import open_hdf5
from mct.base.partition import block
from mct.base.threads import map_in_threads
from mct.data.catalogue import read_rows
from mct.data.images import TINY, fit
from mct.data.inspection import Finding, inspected_rows
from mct.data.layouts.base import Layout, Row
from mct.data.pictures import decode, to_jpeg
from mct.data.settings import ShardSettings
from mct.data.shards import FIELDS, SEAL_BYTES, VERSION, payload_place, seal

COPY_BYTES = 1 << 22


@dataclass(frozen=True, kw_only=True)
class ShardPlan:
    """Which part of which set a shard holds."""

    set_name: str
    shard: int
    classes: int
    source: str


class Member(NamedTuple):
    """A picture of a shard; `sample` is its row in the catalogue."""

    sample: int
    row: Row
    finding: Finding


def deal(members: NDArray[np.intp], shards: int, shard: int, seed: int) -> NDArray[np.intp]:
    """Return the catalogue rows of one shard: a block of a seeded permutation of the set."""
    order = np.random.default_rng([seed, len(members)]).permutation(members)
    return order[slice(*block(len(order), shards, shard))]


def choose_members(
    catalogue: Path,
    parts: Sequence[Path],
    left_out: Collection[str],
    settings: ShardSettings,
    plan: ShardPlan,
) -> list[Member]:
    """Return the pictures of one shard in its order; the catalogue is passed twice, never held."""
    rows = [
        number
        for number, row in enumerate(read_rows(catalogue))
        if getattr(row, plan.set_name) and row.key not in left_out
    ]
    dealt = deal(np.array(rows, np.intp), settings.shards, plan.shard, settings.seed)
    places = {int(sample): place for place, sample in enumerate(dealt)}
    members = [
        Member(sample, *pair)
        for sample, pair in enumerate(inspected_rows(catalogue, parts))
        if sample in places
    ]
    return sorted(members, key=lambda member: places[member.sample])


def write_shard(
    members: Sequence[Member],
    layout: Layout,
    settings: ShardSettings,
    plan: ShardPlan,
    path: Path,
    threads: int = 1,
) -> None:
    """Write one shard; memory does not grow with the bytes of its pictures.

    Raises
    ------
    UserError
        A picture's file cannot be read, or is not the one that was inspected.
    """
    encoding = choose_encoding(settings)
    attributes = {
        "format": "mct-shard", "version": VERSION, "set": plan.set_name, "shard": plan.shard,
        "shards": settings.shards, "classes": plan.classes, "size": settings.size,
        "encoding": encoding, "source": plan.source,
    }  # fmt: skip
    stored = map_in_threads(
        lambda member: stored_form(member, layout, settings, encoding), members, threads
    )
    with replacing(path) as temporary, tempfile.TemporaryFile(dir=path.parent) as spool:
        offsets, checksums = _spool(stored, spool)
        fields = _fields(members, offsets, checksums)
        with open_hdf5(temporary, "w", userblock_size=SEAL_BYTES) as shard:
            for name, values in fields.items():
                shard.create_dataset(name, data=values)
            shape = (offsets[-1],) if encoding == "encoded" else _pixel_shape(members, settings)
            _copy_payload(spool, shard, shape)
            shard.attrs.update(attributes)
            start, count = payload_place(shard["payload"])
        seal(temporary, start, count)


def choose_encoding(settings: ShardSettings) -> str:
    """Return `pixels` or `encoded`; `auto` keeps pixels of tiny pictures."""
    if settings.encoding == "auto":
        return "pixels" if settings.size <= TINY else "encoded"
    return settings.encoding


def stored_form(member: Member, layout: Layout, settings: ShardSettings, encoding: str) -> bytes:
    """Return the bytes of a picture as its shard keeps them.

    Fitted pixels, or an encoded file: the inspected one where it is plain and small enough, else a
    JPEG of it. UserError if the file is not the one that was inspected.
    """
    row, finding = member.row, member.finding
    data = layout.read(row.path)
    if hashlib.sha256(data).hexdigest() != finding.digest:
        raise UserError(
            f"{row.path}: not the file that was inspected; rerun with --forcerun inspect_pictures"
        )
    if encoding == "pixels":
        return fit(decode(data, row.path), settings.size).tobytes()
    short_side, limit = min(finding.width, finding.height), settings.short_side
    if not finding.conversions and (limit is None or short_side <= limit):
        return data
    return to_jpeg(data, row.path, limit, settings.quality)


def _spool(stored: Iterable[bytes], file: BinaryIO) -> tuple[list[int], list[int]]:
    """Write pictures back to back; return where each begins, with the end, and the checksums."""
    offsets, checksums = [0], []
    for data in stored:
        file.write(data)
        offsets.append(offsets[-1] + len(data))
        checksums.append(zlib.crc32(data))
    return offsets, checksums


def _fields(
    members: Sequence[Member], offsets: list[int], checksums: list[int]
) -> dict[str, NDArray[Any]]:
    rows = [member.row for member in members]
    values = {
        "sample": [member.sample for member in members],
        "key": np.array([row.key.encode() for row in rows], "S"),
        "observed": [row.observed for row in rows],
        "true": [row.true for row in rows],
        "in_noisy": [row.noisy for row in rows],
        "in_clean": [row.clean for row in rows],
        "offset": offsets,
        "crc32": checksums,
    }
    return {name: np.asarray(values[name], dtype) for name, (dtype, _) in FIELDS.items()}


def _pixel_shape(members: Sequence[Member], settings: ShardSettings) -> tuple[int, ...]:
    return len(members), settings.size, settings.size, 3


def _copy_payload(spool: BinaryIO, shard: h5py.File, shape: tuple[int, ...]) -> None:
    """Copy the spooled pictures to a contiguous data set, a few MiB at a time."""
    payload = shard.create_dataset("payload", shape, "uint8")
    spool.seek(0)
    item = int(np.prod(shape[1:]))
    step = max(1, COPY_BYTES // item)
    for start in range(0, shape[0], step):
        stop = min(shape[0], start + step)
        chunk = np.frombuffer(spool.read((stop - start) * item), np.uint8)
        payload[start:stop] = chunk.reshape(stop - start, *shape[1:])
