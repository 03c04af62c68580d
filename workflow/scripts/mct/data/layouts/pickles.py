"""Reading pickles from the web: plain containers, text, numbers and NumPy arrays of numbers.

A pickle is a program. The only calls that this unpickler admits are stand-ins of its own, which
record what an array is made of; nothing of NumPy or torch is called by a file. Any other global is
refused by its name.
"""

import pickle
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from mct.base.errors import UserError

TORCH_MAGIC = 0x1950A86A20F9469CFC6C
"""The first pickle of a file of torch.save before version 1.6; protocol and system follow."""
KINDS = "biuf"
"""Booleans, integers and floating point numbers."""


class DtypeRecord:
    """Stands for numpy.dtype: its name, and the byte order that comes with its state."""

    def __init__(self, name: str | bytes, *_: Any) -> None:
        self.name = name.decode("ascii") if isinstance(name, bytes) else name
        self.order: Any = "="

    def __setstate__(self, state: tuple) -> None:
        self.order = state[1].decode("ascii") if isinstance(state[1], bytes) else state[1]

    def dtype(self) -> np.dtype:
        """Return the type of numbers; ValueError for any other."""
        dtype = np.dtype(self.name)
        if dtype.kind not in KINDS or dtype.subdtype is not None:
            raise ValueError(f"an array of type {dtype}, expected numbers")
        return dtype.newbyteorder("=" if self.order == "|" else self.order)


class ArrayRecord:
    """Stands for numpy.ndarray: what its state says."""

    def __init__(self, *_: Any) -> None:
        self.state: tuple = ()

    def __setstate__(self, state: tuple) -> None:
        self.state = state

    def array(self) -> np.ndarray:
        """Return the array; ValueError if shape, type and bytes do not fit."""
        _, shape, record, fortran, data = self.state
        if not isinstance(record, DtypeRecord):
            raise ValueError("an array without a type")
        array = np.frombuffer(data, record.dtype())
        return array.reshape(shape, order="F" if fortran else "C")


def record_buffer(data: bytes, record: DtypeRecord, shape: tuple, order: str) -> ArrayRecord:
    """Stand for NumPy's reading of a buffer, which protocol 5 names."""
    array = ArrayRecord()
    array.state = (1, shape, record, order == "F", data)
    return array


def encode_text(text: str, encoding: str) -> bytes:
    """Stand for _codecs.encode, by which protocol 2 spells bytes; Latin-1 only."""
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"text in the encoding {encoding!r}")
    return text.encode("latin-1")


def empty_bytes() -> bytes:
    """Stand for bytes(), by which protocol 2 spells no bytes."""
    return b""


ADMITTED: dict[str, Callable] = {
    "numpy.dtype": DtypeRecord,
    "numpy.ndarray": ArrayRecord,
    "numpy.core.multiarray._reconstruct": ArrayRecord,
    "numpy._core.multiarray._reconstruct": ArrayRecord,
    "numpy.core.numeric._frombuffer": record_buffer,
    "numpy._core.numeric._frombuffer": record_buffer,
    "_codecs.encode": encode_text,
    "__builtin__.bytes": empty_bytes,
    "builtins.bytes": empty_bytes,
}


class NumbersUnpickler(pickle.Unpickler):
    """Unpickles containers, text and numbers; everything else is refused with its name."""

    def __init__(self, file: BytesIO, path: Path) -> None:
        super().__init__(file, encoding="bytes")
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in of an admitted global; UserError for any other."""
        if f"{module}.{name}" not in ADMITTED:
            raise UserError(
                f"{self._path}: refused as unsafe: the pickle asks for {module}.{name}; "
                "expected NumPy arrays of numbers, lists and text only; save these"
            )
        return ADMITTED[f"{module}.{name}"]

    def persistent_load(self, pid: Any) -> Any:
        """Refuse tensors, which torch.save keeps outside the pickle."""
        raise UserError(
            f"{self._path}: refused: torch tensors in the pickle; expected NumPy arrays; save "
            "tensor.numpy()"
        )


def read_pickle(path: Path) -> dict[str, Any]:
    """Return the dictionary that a pickle holds, or a file that torch.save wrote of one.

    Text keys that were bytes become text; arrays are of shape and type as saved. UserError if the
    file cannot be read, holds something else, or asks for a global that is not admitted.
    """
    try:
        found = _load(BytesIO(_pickled_bytes(path)), path)
        if not isinstance(found, dict):
            raise ValueError(f"a {type(found).__name__}, expected a dictionary")
        return {_text(key): _value(value) for key, value in found.items()}
    except UserError:
        raise
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read: {error.strerror or error}; correct dataset.root, "
            "or put a readable file there"
        ) from error
    except Exception as error:  # what a broken pickle raises has no bounds
        raise UserError(
            f"{path}: cannot be read as a pickle: {error}; copy the file again"
        ) from error


def _pickled_bytes(path: Path) -> bytes:
    """Return the pickle in a file: all of it, or data.pkl of a zip that torch.save wrote."""
    if not zipfile.is_zipfile(path):
        return path.read_bytes()
    with zipfile.ZipFile(path) as file:
        names = [name for name in file.namelist() if name.rpartition("/")[2] == "data.pkl"]
        if len(names) != 1:
            raise ValueError(f"a zip file with {len(names)} data.pkl, expected one")
        return file.read(names[0])


def _load(file: BytesIO, path: Path) -> Any:
    found = NumbersUnpickler(file, path).load()
    if isinstance(found, int) and found == TORCH_MAGIC:
        for _ in ("protocol", "system"):
            NumbersUnpickler(file, path).load()
        return NumbersUnpickler(file, path).load()
    return found


def _text(key: Any) -> str:
    return key.decode("utf-8") if isinstance(key, bytes) else str(key)


def _value(value: Any) -> Any:
    return value.array() if isinstance(value, ArrayRecord) else value
