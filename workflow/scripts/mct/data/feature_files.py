"""Writing a file of features, in the form of the shard that they are made of; see `shards`."""

import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mct.base.files import open_hdf5, replacing
from mct.data.shards import SEAL_BYTES, Shard, payload_place, seal

KEPT = ("format", "version", "shard", "shards", "size")
"""Attributes that a file of features has from its shard."""


def write_features(
    path: Path, shard: Shard, batches: Iterable[NDArray[np.float32]], row: tuple[int, ...]
) -> None:
    """Write features of all pictures of a shard, in its order: batches of shape (b, *row).

    `row` is (views, d). The attribute `source` is the seal of the shard.
    """
    count, checksums = len(shard), [np.empty(0, np.uint32)]
    with replacing(path) as temporary:
        with open_hdf5(temporary, "w", userblock_size=SEAL_BYTES) as file:
            payload = file.create_dataset("payload", (count, *row), "float32")
            start = 0
            for batch in batches:
                payload[start : start + len(batch)] = batch
                checksums.append(np.fromiter(map(zlib.crc32, batch), np.uint32, len(batch)))
                start += len(batch)
            assert start == count
            file["key"], file["crc32"] = shard.fields["key"], np.concatenate(checksums)
            file["offset"] = np.arange(count + 1) * (4 * int(np.prod(row)))
            kept = {name: shard.attributes[name] for name in KEPT}
            file.attrs.update({**kept, "encoding": "features", "source": shard.seal})
            place = payload_place(payload)
        seal(temporary, *place)
