"""Flip the bytes of a shard's structure, one at a time, and open it: HDF5 may crash or hang.

Prints each position before it is tried, so that the last line names the culprit; only a UserError
may be raised.
"""

import contextlib
import random
import signal
import sys
from pathlib import Path

import h5py

from mct.base.errors import UserError
from mct.data.shards import open_shard

SECONDS = 5
"""A hanging process is killed by its alarm."""


def structure(path: Path) -> list[int]:
    """Return the positions of a shard's bytes that are in no data set and not zero."""
    data, contents = path.read_bytes(), set()
    with h5py.File(path) as file:
        for dataset in file.values():
            start = dataset.id.get_offset()
            contents |= set(range(start, start + dataset.nbytes))
    return [i for i, byte in enumerate(data) if byte and i not in contents]


def main() -> None:
    path = Path(sys.argv[1])
    data, generator = path.read_bytes(), random.Random(0)
    for position in structure(path):
        damaged = bytearray(data)
        damaged[position] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        print(f"byte {position}", flush=True)
        signal.alarm(SECONDS)
        with contextlib.suppress(UserError):
            open_shard(path).verify()


if __name__ == "__main__":
    main()
