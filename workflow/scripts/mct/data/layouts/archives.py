"""Members of plain tar and zip archives, read in place."""

import os
import posixpath
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from mct.base.errors import BrokenPictureError, UserError

SUFFIXES = (".tar", ".zip")
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
LONGEST_CHAIN = 16
"""Links that follow each other inside an archive."""
MOST_BYTES = 512 << 20
"""Of a picture's file; a larger one is none."""


class Archive(Protocol):
    """An archive's members by their path."""

    def holds(self, name: str) -> bool:
        """Return whether a file of this name is in the archive."""

    def read(self, name: str) -> bytes:
        """Return a member's bytes; UserError if it is not there or broken."""


def is_inside(path: str) -> bool:
    """Return whether a path, as text, stays below the folder it starts from."""
    if not path or path[0] == "/" or "\0" in path:
        return False
    return ".." not in path or ".." not in path.split("/")


def refuse_large(name: str, size: int) -> None:
    """Raise BrokenPictureError if a file is too large to be a picture."""
    if size > MOST_BYTES:
        raise BrokenPictureError(
            "too_large", f"{name}: expected at most {MOST_BYTES} bytes, got {size}"
        )


def archive_parts(path: str) -> Iterator[tuple[str, str]]:
    """Yield what may be an archive in a path, by its name, and the member in it."""
    parts = path.split("/")
    for place, part in enumerate(parts[:-1], start=1):
        if part.endswith((*SUFFIXES, *COMPRESSED)):
            yield "/".join(parts[:place]), "/".join(parts[place:])


def open_archive(path: Path) -> Archive:
    """Return an archive whose entries all stay inside it.

    Raises
    ------
    UserError
        No archive, a compressed tar (no member of it can be read alone), an entry or a link that
        leads outside.
    """
    if path.name.endswith(COMPRESSED):
        raise UserError(f"{path}: expected a plain .tar or a .zip, got a compressed tar; unpack it")
    try:
        return Zip(path) if path.suffix == ".zip" else Tar(path)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: cannot be read as an archive: {error}") from error


class Tar:
    """A plain tar file: where each member lies, without keeping its headers."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        with tarfile.open(path, "r:") as tar:
            while (member := tar.next()) is not None:
                self._add(member)
                tar.members = []  # type: ignore[attr-defined]  # a million headers would stay
        self._file = path.open("rb")

    def _add(self, member: tarfile.TarInfo) -> None:
        name = _entry(self._path, member.name)
        if member.issym():
            self._links[name] = _target(self._path, name, member.linkname, posixpath.dirname(name))
        elif member.islnk():
            self._links[name] = _target(self._path, name, member.linkname, "")
        elif member.isreg() and not member.issparse():
            self._places[name] = member.offset_data, member.size

    def _follow(self, name: str) -> str:
        for _ in range(LONGEST_CHAIN):
            name = self._links.get(name, name)
        return name

    def holds(self, name: str) -> bool:
        """Return whether a file of this name is in the archive."""
        return self._follow(name) in self._places

    def read(self, name: str) -> bytes:
        """Return a member's bytes; UserError if it is not there or cut."""
        if not self.holds(name):
            raise UserError(f"{self._path}: no file {name} in the archive")
        offset, size = self._places[self._follow(name)]
        refuse_large(f"{self._path}: {name}", size)
        data = os.pread(self._file.fileno(), size, offset)
        if len(data) < size:
            raise UserError(f"{self._path}: {name}: expected {size} bytes, got {len(data)}")
        return data


class Zip:
    """A zip file; its links are refused, since their targets are content."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._zip = zipfile.ZipFile(path)
        self._names = {
            _entry(path, info.filename): info for info in self._zip.infolist() if not info.is_dir()
        }
        for name, info in self._names.items():
            if stat.S_ISLNK(info.external_attr >> 16):
                raise UserError(f"{path}: {name} is a link; expected files only")

    def holds(self, name: str) -> bool:
        """Return whether a file of this name is in the archive."""
        return name in self._names

    def read(self, name: str) -> bytes:
        """Return a member's bytes; UserError if it is not there, broken or encrypted."""
        if name not in self._names:
            raise UserError(f"{self._path}: no file {name} in the archive")
        refuse_large(f"{self._path}: {name}", self._names[name].file_size)
        try:
            return self._zip.read(self._names[name])
        except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise UserError(f"{self._path}: {name} cannot be read: {error}") from error


def _entry(path: Path, name: str) -> str:
    """Return an entry's name in its one spelling."""
    if not is_inside(name):
        raise UserError(f"{path}: entry {name!r} leads outside the archive")
    return posixpath.normpath(name)


def _target(path: Path, name: str, link: str, folder: str) -> str:
    target = posixpath.normpath(posixpath.join(folder, link))
    if not is_inside(target):
        raise UserError(f"{path}: entry {name!r} is a link to {link!r}, outside the archive")
    return target
