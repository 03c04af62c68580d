"""HDF5 files, opened without locks.

HDF5 locks a file that it opens, which fails on file systems without locks. Nothing here needs it:
files are written under a name of their own, renamed when whole, and never changed after that.
"""

from pathlib import Path
from typing import Any

import h5py


def open_hdf5(path: Path, mode: str = "r", **options: Any) -> h5py.File:
    """Open an HDF5 file as `h5py.File` does, on any file system."""
    return h5py.File(path, mode, locking=False, **options)
