"""Where a layout's pictures lie: files below a folder, members of archives; nothing outside.

Paths come from lists that others wrote, so each is checked before it is opened. Archives are never
extracted.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from threading import Lock

from mct.base.errors import UserError, preview
from mct.data.layouts.archives import Archive, archive_parts, is_inside, open_archive, refuse_large


class Storage:
    """The pictures below `root`, and below further folders whose paths begin with `<name>:`."""

    def __init__(self, root: Path, archives: bool, **others: Path) -> None:
        self._roots = {"": root, **others}
        self._admits_archives, self._lock = archives, Lock()
        self._archives: dict[Path, Archive | None] = {}
        self._real_folders: dict[tuple[Path, str], Path] = {}
        self._listings: dict[Path, tuple[set[str], set[str]]] = {}
        self._plain_files: dict[str, set[str]] = {}

    def missing(self, paths: list[str]) -> list[str]:
        """Return the paths that are no files; lists each folder once, not each file.

        Raises
        ------
        UserError
            A path leads outside its folder.
        """
        return [path for path in paths if not (self._is_plain_file(path) or self._holds(path))]

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
            _refuse_outside_link(root, name)
        try:
            with target.open("rb") as opened:
                refuse_large(str(target), os.fstat(opened.fileno()).st_size)
                return opened.read()
        except OSError as error:
            raise UserError(f"{root / name}: cannot be read: {error.strerror}") from error

    def _locate(self, path: str) -> tuple[Path, str]:
        prefix, colon, name = path.partition(":")
        if not colon or prefix not in self._roots:
            prefix, name = "", path
        root = self._roots[prefix]
        refuse_outside([name], root)
        return root, name

    def _archive_of(self, root: Path, name: str) -> tuple[Archive | None, str]:
        """Return the archive that a path leads into and the member; None for a plain file."""
        for file, member in archive_parts(name) if self._admits_archives else ():
            path = root / file
            with self._lock:  # threads read
                if path not in self._archives:
                    _refuse_outside_link(root, file)
                    self._archives[path] = open_archive(path) if path.is_file() else None
                archive = self._archives[path]
            if archive is not None:
                return archive, member
        return None, name

    def _holds(self, path: str) -> bool:
        root, name = self._locate(path)
        archive, member = self._archive_of(root, name)
        if archive is not None:
            return archive.holds(member)
        folder, _, file = name.rpartition("/")
        names, links = self._listing(self._real_folder(root, folder))
        if file in links:
            _refuse_outside_link(root, name)
            return (root / name).exists()
        return file in names

    def _real_folder(self, root: Path, folder: str) -> Path:
        if (root, folder) not in self._real_folders:
            self._real_folders[root, folder] = _refuse_outside_link(root, folder)
        return self._real_folders[root, folder]

    def _listing(self, folder: Path) -> tuple[set[str], set[str]]:
        """Return the names in a folder, and those of them that are links."""
        if folder not in self._listings:
            entries = list(os.scandir(folder)) if folder.is_dir() else []
            links = {entry.name for entry in entries if entry.is_symlink()}
            self._listings[folder] = {entry.name for entry in entries}, links
        return self._listings[folder]


def refuse_outside(paths: Iterable[str], source: Path) -> None:
    """Raise UserError if a path of the list `source` is absolute or has `..`."""
    outside = [path for path in paths if not is_inside(path)]
    if outside:
        raise UserError(
            f"{source}: expected paths below the data set's folder, got {preview(outside)}"
        )


def _refuse_outside_link(root: Path, name: str) -> Path:
    """Return the real path of what lies at `name`; UserError if that is outside `root`."""
    try:
        real = (root / name).resolve()
    except (OSError, RuntimeError) as error:  # a link to itself
        raise UserError(f"{root / name}: cannot be read: {error}") from error
    if not real.is_relative_to(root.resolve()):
        raise UserError(
            f"{root}: {name} is a link that leads outside, to {real}; "
            "expected files below the data set's folder"
        )
    return real
