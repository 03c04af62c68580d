"""Dealing an intake's pictures to shards, and writing one; see `shards` for the format."""

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
from mct.base.files import open_hdf5, replacing
from mct.base.partition import block
from mct.base.threads import map_in_threads
from mct.data.encoding import choose_encoding
from mct.data.images import fit
from mct.data.inspection import Finding, read_findings
from mct.data.intake import Listed, read_listing
from mct.data.layouts.base import Layout
from mct.data.pictures import decode, to_jpeg
from mct.data.settings import ShardSettings
from mct.data.shards import FIELDS, SEAL_BYTES, VERSION, payload_place, seal

COPY_BYTES = 1 << 22


@dataclass(frozen=True, kw_only=True)
class ShardPlan:
    """Which shard it is, of how many of its intake, and the digest of the intake's list."""

    shard: int
    shards: int
    source: str


class Member(NamedTuple):
    """A picture of a shard."""

    row: Listed
    finding: Finding


def deal(pictures: int, shards: int, shard: int) -> NDArray[np.int64]:
    """Return the places in an intake's list of one shard's pictures: a block of a permutation.

    The permutation depends on the number of pictures alone, so that no seed of labels or of sets
    moves a picture.
    """
    order = np.random.default_rng(pictures).permutation(pictures)
    return order[slice(*block(pictures, shards, shard))]


def choose_members(
    listing: Path, parts: Sequence[Path], retired: Collection[str], plan: ShardPlan
) -> list[Member]:
    """Return the readable pictures of one shard in its order; the list is passed, never held.

    UserError if the parts belong to another list. `parts` are the inspection of the whole
    intake, `retired` the keys of pictures that are listed no longer, whose files may be gone.
    """
    dealt = deal(sum(1 for _ in read_listing(listing)), plan.shards, plan.shard)
    places = {place: number for number, place in enumerate(dealt.tolist())}
    chosen: dict[int, Member] = {}
    findings = read_findings(parts)
    for place, row in enumerate(read_listing(listing)):
        finding = next(findings, None)
        if finding is None or finding.key != row.key:
            raise UserError(
                f"{parts[0].parent}: not the inspection of {listing}: expected {row.key}, got "
                f"{finding.key if finding else 'its end'}; delete the folder and rerun"
            )
        if place in places and not finding.kind and row.key not in retired:
            chosen[places[place]] = Member(row, finding)
    return [chosen[number] for number in sorted(chosen)]


def write_shard(
    members: Sequence[Member],
    layout: Layout,
    settings: ShardSettings,
    plan: ShardPlan,
    path: Path,
    threads: int = 1,
) -> None:
    """Write one shard; memory does not grow with the bytes of its pictures.

    UserError if a picture's file cannot be read, or is not the one that was inspected.
    """
    encoding = choose_encoding(settings.encoding, settings.size)
    attributes = {
        "format": "mct-shard", "version": VERSION, "shard": plan.shard, "shards": plan.shards,
        "size": settings.size, "encoding": encoding, "source": plan.source,
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
            pixels = len(members), settings.size, settings.size, 3
            _copy_payload(spool, shard, (offsets[-1],) if encoding == "encoded" else pixels)
            shard.attrs.update(attributes)
            start, count = payload_place(shard["payload"])
        seal(temporary, start, count)


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
    values = {
        "key": np.array([member.row.key.encode() for member in members], "S"),
        "offset": offsets,
        "crc32": checksums,
    }
    return {name: np.asarray(values[name], dtype) for name, (dtype, _) in FIELDS.items()}


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
