"""Where a layout's pictures lie: files below a folder, members of archives; nothing outside.

Paths come from lists that others wrote, so each is checked before it is opened. Archives are never
extracted. Paths are keys (`base.names`), from which the names of files follow.
"""

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from threading import Lock

from mct.base.errors import BrokenPictureError, UserError, preview
from mct.base.names import key_of, name_of
from mct.data.layouts.archives import (
    Archive,
    archive_parts,
    innermost,
    is_inside,
    open_archive,
    refuse_large,
)

NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
"""Errors of the system where a path leads to no file, now or later."""
KINDS_OF_FILES = {
    stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
}  # fmt: skip


class Storage:
    """The pictures below `root`, and below further folders whose paths begin with `<name>:`."""

    def __init__(self, root: Path, archives: bool, **others: Path) -> None:
        self._roots = {"": root, **others}
        self._admits_archives, self._lock = archives, Lock()
        self._archives: dict[Path, Archive | None] = {}
        self._real_folders: dict[tuple[Path, str], Path] = {}
        self._listings: dict[Path, tuple[set[str], set[str]]] = {}
        self._plain_files: dict[str, set[str]] = {}
        self._targets: set[Path] = set()

    def missing(self, paths: list[str]) -> list[str]:
        """Return paths that are no files, with one look per folder; UserError for one outside its folder."""
        return [path for path in paths if not (self._is_plain_file(path) or self._holds(path))]

    def looked_at(self) -> list[Path]:
        """Return the folders and archives that a change of what is there would show in."""
        folders = {root / folder for root, folder in self._real_folders}
        return [*folders, *self._targets, *self._archives]

    def file_of(self, path: str) -> Path:
        """Return where a path leads that is no archive's; UserError if that is outside."""
        root, name = self._locate(path)
        return root / name

    def _is_plain_file(self, path: str) -> bool:
        """Return whether a path is one of the many that need no look of their own."""
        folder, _, file = path.rpartition("/")
        names = self._plain_files.get(folder)
        if names is None:
            names = self._plain_files[folder] = self._files_without_links(path)
        return file in names

    def _files_without_links(self, path: str) -> set[str]:
        """Return the names that are no links in a path's folder, none where it is an archive's."""
        root, name = self._locate(path)
        if self._archive_of(root, name)[0] is not None:
            return set()
        names, links = self._listing(self._real_folder(root, name.rpartition("/")[0]))
        return names - links

    def read(self, path: str) -> bytes:
        """Return the bytes of a picture; UserError if it cannot be read or lies outside."""
        root, name = self._locate(path)
        archive, member = self._archive_of(root, name)
        if archive is not None:
            return archive.read(member)
        folder, _, file = name.rpartition("/")
        target = self._real_folder(root, folder) / file
        if target.is_symlink():
            real_path(root, name)
        return read_regular(target, f"{root}/{key_of(name)}")

    def _locate(self, path: str) -> tuple[Path, str]:
        prefix, colon, name = path.partition(":")
        if not colon or prefix not in self._roots:
            prefix, name = "", path
        root, name = self._roots[prefix], name_of(name)
        refuse_outside([name], root)
        return root, name

    def _archive_of(self, root: Path, name: str) -> tuple[Archive | None, str]:
        """Return the archive that a path leads into and the member; None for a plain file."""
        for file, member in archive_parts(name) if self._admits_archives else ():
            path = root / file
            with self._lock:  # threads read
                if path not in self._archives:
                    real_path(root, file)
                    self._archives[path] = (
                        open_archive(path) if stat.S_ISREG(mode_of(path)) else None
                    )
                archive = self._archives[path]
                if archive is not None:
                    return innermost(archive, member)
        return None, name

    def _holds(self, path: str) -> bool:
        root, name = self._locate(path)
        archive, member = self._archive_of(root, name)
        if archive is not None:
            return archive.holds(member)
        folder, _, file = name.rpartition("/")
        names, links = self._listing(self._real_folder(root, folder))
        if file in links:
            self._targets.add(real_path(root, name).parent)
            return mode_of(root / name) != 0
        return file in names

    def _real_folder(self, root: Path, folder: str) -> Path:
        if (root, folder) not in self._real_folders:
            self._real_folders[root, folder] = real_path(root, folder)
        return self._real_folders[root, folder]

    def _listing(self, folder: Path) -> tuple[set[str], set[str]]:
        """Return the names in a folder, and which of them are links."""
        if folder not in self._listings:
            entries = entries_of(folder) if stat.S_ISDIR(mode_of(folder)) else []
            links = {entry.name for entry in entries if entry.is_symlink()}
            self._listings[folder] = {entry.name for entry in entries}, links
        return self._listings[folder]


def entries_of(folder: Path) -> list[os.DirEntry[str]]:
    """Return the entries of a folder by name; UserError if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"{key_of(str(folder))}: cannot be listed: {error.strerror}") from error


def refuse_outside(paths: Iterable[str], source: Path) -> None:
    """Raise UserError if a path of the list `source` is absolute or has `..`."""
    outside = [path for path in paths if not is_inside(path)]
    if outside:
        raise UserError(
            f"{source}: expected paths below the data set's folder, got {preview(outside)}; write them so"
        )


def mode_of(path: Path) -> int:
    """Return what a path leads to, as `stat` gives it; 0 for nothing that can be reached."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def read_regular(path: Path, shown: str) -> bytes:
    """Return the bytes of a regular file, called `shown` in errors; wait for no pipe or device.

    UserError if it cannot be read, BrokenPictureError where that is the file's fault: no regular
    file, one that is too large, a link that leads nowhere.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise _unreadable(shown, error) from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            kind = KINDS_OF_FILES.get(stat.S_IFMT(found.st_mode), "something else")
            raise BrokenPictureError("no_file", f"{shown}: expected a file, got {kind}")
        refuse_large(shown, found.st_size)
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    except OSError as error:
        raise _unreadable(shown, error) from error
    finally:
        os.close(descriptor)


def _unreadable(shown: str, error: OSError) -> UserError:
    if error.errno == errno.ENXIO:  # nobody can open a socket
        return BrokenPictureError("no_file", f"{shown}: expected a file, got a socket")
    text = f"{shown}: cannot be read: {error.strerror}"
    return BrokenPictureError("no_file", text) if error.errno in NOTHING_THERE else UserError(text)


def real_path(root: Path, name: str) -> Path:
    """Return the real path of what lies at `name`; BrokenPictureError if that is outside `root`."""
    try:
        real = (root / name).resolve()
    except (OSError, RuntimeError) as error:  # a link to itself
        reason = f"{root}/{key_of(name)}: cannot be read: {key_of(str(error))}"
        raise BrokenPictureError("no_file", reason) from error
    if not real.is_relative_to(root.resolve()):
        raise BrokenPictureError(
            "link_outside",
            f"{root}: {key_of(name)} is a link that leads outside, to {key_of(str(real))}; "
            "expected files below the data set's folder",
        )
    return real
