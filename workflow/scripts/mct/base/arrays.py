"""Files of arrays; apart from `files`, since the plan needs no HDF5."""

from collections.abc import Mapping
from pathlib import Path

import h5py
from numpy.typing import NDArray

from mct.base.files import replacing


def write_arrays(path: Path, arrays: Mapping[str, NDArray], attributes: Mapping[str, str]) -> None:
    """Write arrays as an HDF5 file, each a compressed data set, with attributes that explain them."""
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        for name, values in arrays.items():
            options = {"compression": "gzip", "shuffle": True} if values.size else {}
            file.create_dataset(name, data=values, **options)
        file.attrs.update(attributes)
