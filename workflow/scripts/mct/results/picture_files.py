"""Pictures in files that belong to no data set: files, folders, lists of paths, archives."""

import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from mct.base.errors import UserError
from mct.base.names import key_of
from mct.base.texts import read_lines
from mct.data.layouts.archives import open_archive
from mct.data.layouts.folders import files_below
from mct.data.layouts.storage import read_regular

ARCHIVES, LISTS = (".tar", ".zip"), (".txt",)


class Source(NamedTuple):
    """A picture's name as it is shown, and what reads its bytes; UserError if they cannot be read."""

    name: str
    read: Callable[[], bytes]


def find_pictures(paths: Sequence[Path]) -> list[Source]:
    """Return the pictures among `paths`: files, those below folders, in lists and archives, in order.

    What is hidden, and what systems put there for themselves, is left out. A path in a list is
    relative to the list's folder. UserError for a path that is not there, or no file at all.
    """
    found = [source for path in paths for source in _sources(path)]
    if not found:
        raise UserError(f"{', '.join(map(str, paths))}: expected pictures, found no file")
    return found


def _sources(path: Path) -> Iterator[Source]:
    if not os.path.lexists(path):
        raise UserError(f"{path}: expected a picture or a folder of pictures, found nothing")
    ending = path.suffix.lower()
    if path.is_dir():
        yield from map(_file, sorted(files_below(path)))
    elif ending in ARCHIVES:
        yield from _members(path)
    elif ending in LISTS:
        yield from (_file(path.parent / line) for line in read_lines(path, foreign=True))
    else:
        yield _file(path)


def _file(path: Path) -> Source:
    name = key_of(str(path))
    return Source(name, lambda: read_regular(path, name))


def _members(path: Path) -> Iterator[Source]:
    """Yield the files in an archive, by their names."""
    archive = open_archive(path)
    for name in sorted(_names(path)):
        yield Source(key_of(f"{path}/{name}"), partial(archive.read, name))


def _names(path: Path) -> list[str]:
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as file:
            names = [info.filename for info in file.infolist() if not info.is_dir()]
    else:
        with tarfile.open(path, "r:") as file:
            names = [member.name for member in file if member.isreg()]
    hidden = (".", "__MACOSX/")
    return [n for n in names if not n.startswith(hidden) and "/." not in n]
