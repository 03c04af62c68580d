"""HDF5 files, opened without locks.

HDF5 locks a file that it opens, which fails on file systems without locks. Nothing here needs it:
files are written under a name of their own, renamed when whole, and never changed after that.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
from numpy.typing import NDArray

from mct.base.files import parsing, replacing


def open_hdf5(path: Path, mode: str = "r", **options: Any) -> h5py.File:
    """Open an HDF5 file as `h5py.File` does, on any file system."""
    return h5py.File(path, mode, locking=False, **options)


def read_arrays(path: Path, *names: str) -> list[NDArray]:
    """Return arrays of an HDF5 file that a stage wrote; UserError if it cannot be read."""
    with parsing(path, "HDF5", KeyError, RuntimeError), open_hdf5(path) as file:
        return [file[name][()] for name in names]


def write_arrays(path: Path, arrays: Mapping[str, NDArray], attributes: Mapping[str, str]) -> None:
    """Write arrays as an HDF5 file, each a compressed data set, with attributes that explain them."""
    with replacing(path) as temporary, open_hdf5(temporary, "w") as file:
        for name, values in arrays.items():
            options = {"compression": "gzip", "shuffle": True} if values.size else {}
            file.create_dataset(name, data=values, **options)
        file.attrs.update(attributes)
