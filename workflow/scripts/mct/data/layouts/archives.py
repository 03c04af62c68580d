"""Members of plain tar and zip archives, and of archives inside a tar, read in place."""

import io
import os
import posixpath
import stat
import tarfile
import zipfile
import zlib
from collections import ChainMap
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from mct.base.errors import BrokenPictureError, UserError
from mct.base.names import key_of

SUFFIXES = (".tar", ".zip")
COMPRESSED = (
    ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst",
)  # fmt: skip
LONGEST_CHAIN = 16
"""Links that follow each other inside an archive."""
MOST_BYTES = 512 << 20
"""Of a picture's file; a larger one is none."""


class Archive(Protocol):
    """An archive's members by their path.

    Member names are as the system gives names (PEP 383). Windows programs write backslashes for
    slashes; both spellings find a member.
    """

    def holds(self, name: str) -> bool:
        """Return whether a file of this name is in the archive."""

    def read(self, name: str) -> bytes:
        """Return a member's bytes; UserError if it is not there, cut, broken or encrypted."""

    def inner(self, name: str) -> "Archive":
        """Return a member that is an archive itself; UserError if it cannot be read in place."""


class Section(io.RawIOBase):
    """A part of an open file, read by position, so that parts can be read at the same time."""

    def __init__(self, file: Any, start: int, size: int) -> None:
        super().__init__()
        self.file, self.start, self.size = file, start, size
        self._place = 0

    def readable(self) -> bool:
        """Return that it can be read, at any place."""
        return True

    seekable = readable

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the place that the next bytes are read from."""
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self.size}
        self._place = bases[whence] + offset
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with the next bytes; return how many there were."""
        data = self.part(self._place, len(buffer))
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)

    def part(self, offset: int, size: int) -> bytes:
        """Return bytes by their position; fewer where the file or the section ends."""
        size = max(0, min(size, self.size - offset))
        return os.pread(self.file.fileno(), size, self.start + offset)


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
        if part.lower().endswith((*SUFFIXES, *COMPRESSED)):
            yield "/".join(parts[:place]), "/".join(parts[place:])


def innermost(archive: Archive, member: str) -> tuple[Archive, str]:
    """Return the archive that a member's path leads into, through archives in archives."""
    for name, rest in archive_parts(member):
        if archive.holds(name):
            return innermost(archive.inner(name), rest)
    return archive, member


def open_archive(path: Path, section: Section | None = None) -> Archive:
    """Return an archive whose entries all stay inside it; `section` is its place in another one.

    UserError for what is no archive, a compressed tar (no member of it can be read alone), and an
    entry or a link that leads outside.
    """
    shown, name = Path(key_of(str(path))), path.name.lower()
    if name.endswith(COMPRESSED):
        raise UserError(
            f"{shown}: expected a plain .tar or a .zip, got a compressed tar; unpack it"
        )
    try:
        if section is None:
            file = path.open("rb")
            section = Section(file, 0, os.fstat(file.fileno()).st_size)
        return Zip(shown, section) if name.endswith(".zip") else Tar(shown, section)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise UserError(f"{shown}: cannot be read as an archive: {error}; copy it again") from error


class Tar:
    """A plain tar file: where each member lies, without keeping its headers."""

    def __init__(self, path: Path, section: Section) -> None:
        self._path, self._section = path, section
        self._places: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        self._slashed: dict[str, str] = {}
        self._inner: dict[str, Archive] = {}
        with tarfile.open(fileobj=io.BufferedReader(section), mode="r:") as tar:
            while (member := tar.next()) is not None:
                self._add(member)
                tar.members = []  # type: ignore[attr-defined]  # a million headers would stay

    def _add(self, member: tarfile.TarInfo) -> None:
        name = _entry(self._path, member.name)
        if "\\" in name:
            self._slashed.setdefault(_slashed(name), name)
        if member.issym():
            self._links[name] = _target(self._path, name, member.linkname, posixpath.dirname(name))
        elif member.islnk():
            self._links[name] = _target(self._path, name, member.linkname, "")
        elif member.isreg() and not member.issparse():
            self._places[name] = member.offset_data, member.size

    def _follow(self, name: str) -> str:
        for _ in range(LONGEST_CHAIN):
            name = _spelling(name, ChainMap[str, Any](self._places, self._links), self._slashed)
            name = self._links.get(name, name)
        return name

    def holds(self, name: str) -> bool:
        return self._follow(name) in self._places

    def _place(self, name: str) -> tuple[int, int]:
        if not self.holds(name):
            raise UserError(
                f"{self._path}: no file {key_of(name)} in the archive; correct the list, or add it"
            )
        return self._places[self._follow(name)]

    def read(self, name: str) -> bytes:
        offset, size = self._place(name)
        shown = f"{self._path}: {key_of(name)}"
        refuse_large(shown, size)
        data = self._section.part(offset, size)
        if len(data) < size:
            raise UserError(f"{shown}: expected {size} bytes, got {len(data)}")
        return data

    def inner(self, name: str) -> Archive:
        if name not in self._inner:
            (offset, size), outer = self._place(name), self._section
            section = Section(outer.file, outer.start + offset, size)
            self._inner[name] = open_archive(self._path / name, section)
        return self._inner[name]


class Zip:
    """A zip file; its links are refused, since their targets are content."""

    def __init__(self, path: Path, section: Section) -> None:
        self._path = path
        self._zip = zipfile.ZipFile(io.BufferedReader(section))
        infos = [info for info in self._zip.infolist() if not info.filename.endswith(("/", "\\"))]
        self._names = {_entry(path, info.filename): info for info in infos}
        self._slashed: dict[str, str] = {}
        for name, info in self._names.items():
            if stat.S_ISLNK(info.external_attr >> 16):
                raise UserError(
                    f"{path}: {key_of(name)} is a link; expected files only; write "
                    "the file itself into the archive"
                )
            stored = _entry(path, _stored_name(info))
            for spelling in {stored, _slashed(stored), _slashed(name)} - {name}:
                self._slashed.setdefault(spelling, name)

    def holds(self, name: str) -> bool:
        return _spelling(name, self._names, self._slashed) in self._names

    def read(self, name: str) -> bytes:
        shown = f"{self._path}: {key_of(name)}"
        if not self.holds(name):
            raise UserError(
                f"{self._path}: no file {key_of(name)} in the archive; correct the list, or add it"
            )
        info = self._names[_spelling(name, self._names, self._slashed)]
        refuse_large(shown, info.file_size)
        try:
            return self._zip.read(info)
        except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise UserError(f"{shown} cannot be read: {error}") from error

    def inner(self, name: str) -> Archive:
        """Refuse: a member is compressed, so that nothing in it can be read alone."""
        raise UserError(
            f"{self._path}: {key_of(name)} is an archive inside a zip; expected pictures there, or "
            "archives inside a plain .tar; unpack the zip"
        )


def _stored_name(info: zipfile.ZipInfo) -> str:
    """Return a name as UTF-8 where its bytes are that, though the zip does not say so.

    Zips of macOS and of many programs are such; Python reads their names as code page 437.
    """
    if info.flag_bits & 0x800:
        return info.filename
    return info.filename.encode("cp437", "replace").decode("utf-8", "surrogateescape")


def _slashed(name: str) -> str:
    return posixpath.normpath(name.replace("\\", "/"))


def _spelling(name: str, names: Container[str], others: Mapping[str, str]) -> str:
    """Return a member's name as its archive spells it; `others` has further spellings."""
    if name in names:
        return name
    slashed = _slashed(name) if "\\" in name else name
    return slashed if slashed in names else others.get(name, others.get(slashed, name))


def _entry(path: Path, name: str) -> str:
    """Return an entry's name in its one spelling."""
    if not (is_inside(name) and is_inside(name.replace("\\", "/"))):
        raise UserError(f"{path}: entry {name!r} leads outside the archive")
    return posixpath.normpath(name)


def _target(path: Path, name: str, link: str, folder: str) -> str:
    target = posixpath.normpath(posixpath.join(folder, link))
    if not is_inside(target):
        raise UserError(f"{path}: entry {name!r} is a link to {link!r}, outside the archive")
    return target
