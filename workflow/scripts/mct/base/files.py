"""Files: written under a temporary name and renamed when complete; tables read, and digests."""

import csv
import errno
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from mct.base.errors import UserError, preview

if TYPE_CHECKING:
    import h5py

ENOTSUPP = 524
"""What Linux' NFS and some other file systems answer instead of EOPNOTSUPP."""
ABSENCES: dict[type[OSError], str] = {
    FileNotFoundError: "run again when it is there",
    IsADirectoryError: "name a file",
    NotADirectoryError: "name a file, below folders",
}
NOT_SYNCED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, ENOTSUPP)
"""Answers of file systems that cannot sync what they are asked to."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name next to `path`; rename it if the block succeeds, so nobody reads half a file."""
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:  # it is a file
        reason = os.strerror(errno.ENOTDIR)
        raise NotADirectoryError(errno.ENOTDIR, reason, str(path.parent)) from None
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have a file's bytes, or the names in a folder, written to the disk; OSError if they cannot be.

    A rename may survive a loss of power that what it names does not. Some file systems sync no
    folders; there nothing is done.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NOT_SYNCED:
            raise
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a whole text file."""
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


def write_json(path: Path, data: Any) -> None:
    """Write a whole JSON file, keys sorted."""
    write_text(path, json.dumps(data, indent=1, sort_keys=True) + "\n")


def unreadable(path: Path, error: OSError, what: str = "") -> UserError:
    """Return the line for a file that the system cannot read, as `what`; the file may be sound."""
    sound = "the file may be sound: check the file system and the permissions, then run again"
    advice = ABSENCES.get(type(error), sound)
    read = f"read as {what}" if what else "read"
    reason = os.strerror(error.errno) if error.errno else error  # HDF5's own takes three lines
    return UserError(f"{path}: cannot be {read}: {reason}; {advice}")


@contextmanager
def parsing(path: Path, what: str, *errors: type[Exception], advice: str = "") -> Iterator[None]:
    """Raise UserError where a block cannot read a file of ours as `what`; `errors` say so."""
    damage: tuple[type[Exception], ...] = (OSError, *errors)
    try:
        yield
    except UserError:
        raise
    except damage as error:
        if isinstance(error, OSError) and error.errno:  # the system's, not a library's
            raise unreadable(path, error, what) from error
        reason = (str(error) or "it is empty").splitlines()[0]
        raise UserError(
            f"{path}: cannot be read as {what} ({reason}); {advice or 'delete it and rerun'}"
        ) from error


def read_json(path: Path, *keys: str) -> dict[str, Any]:
    """Return the object of a JSON file that a stage wrote; UserError where it lacks one of `keys`."""
    with parsing(path, "JSON", ValueError):
        data = json.loads(path.read_text("utf-8"))
    missing = set(keys) - set(data if isinstance(data, dict) else ())
    if missing or not isinstance(data, dict):
        named = ", ".join(sorted(missing)) or "a JSON object"
        raise UserError(f"{path}: lacks {named}; delete it and rerun")
    return data


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a whole TSV file, which `table_rows` reads."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


@contextmanager
def table_rows(path: Path, what: str, header: Sequence[str]) -> Iterator[Iterator[list[str]]]:
    """Yield the rows of a TSV file, without its header, for the block to parse; see `parsing`."""
    damages = (ValueError, TypeError, IndexError, StopIteration, csv.Error)
    with parsing(path, what, *damages), path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(map(_whole_line, file), delimiter="\t")
        if (found := next(reader)) != list(header):
            raise ValueError(f"expected columns {' '.join(header)}, got {preview(found)}")
        yield reader


def _whole_line(line: str) -> str:
    if line[-1] not in "\r\n":
        raise ValueError("its last line is cut off")
    return line


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes; UserError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


def open_hdf5(path: Path, mode: str = "r", **options: Any) -> "h5py.File":
    """Open an HDF5 file without a lock: some file systems have none, and whole files never change."""
    import h5py  # slow to import, and not needed for a plan

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
