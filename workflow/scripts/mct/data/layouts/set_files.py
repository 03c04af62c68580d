"""Files of many pictures, each assigned to a set by its name or by that of a folder it is in.

`train-00000-of-00004.parquet`, `data/test-0.parquet`, `pets-train-000000.tar` and `val/0.tar` name a set.
A file that names none is refused: it may hold a whole set.
"""

import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mct.base.errors import UserError
from mct.base.names import is_utf8, key_of
from mct.base.texts import nearest
from mct.data.layouts.folders import Skipped, ignored, skip
from mct.data.layouts.image_folder import SETS
from mct.data.layouts.storage import entries_of, mode_of, real_path

WORD = re.compile("[A-Za-z]+")
POINTER = b"version https://git-lfs"
"""How a file begins that stands for another one in a clone without Git LFS."""


class SetFiles(NamedTuple):
    """The keys of the files of each set that has some, sorted, and all other files below the root."""

    files: dict[str, list[str]]
    skipped: list[Skipped]


def find_set_files(root: Path, endings: tuple[str, ...]) -> SetFiles:
    """Return the files below a folder with one of these endings, by set.

    Links to folders are not followed. UserError for a file that names no set or two, one whose name is
    not UTF-8, and a link that leads outside.
    """
    found = SetFiles({}, [])
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        for entry in entries_of(root / folder):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False) and not ignored(entry.name):
                waiting.append(path)
            elif reason := _reason_to_skip(entry, endings):
                found.skipped.append(skip(entry, path, reason))
            else:
                found.files.setdefault(_set_of(root, path), []).append(key_of(path))
    return SetFiles({name: sorted(files) for name, files in found.files.items()}, found.skipped)


def _reason_to_skip(entry: os.DirEntry[str], endings: tuple[str, ...]) -> str | None:
    """Return why an entry is no file of a set; None if it is one."""
    if reason := ignored(entry.name):
        return reason
    mode = mode_of(Path(entry.path))
    if stat.S_ISDIR(mode):
        return "link_to_folder"
    if not entry.name.lower().endswith(endings):
        return "other_file"
    return None if stat.S_ISREG(mode) else "no_file"


def _set_of(root: Path, path: str) -> str:
    """Return the set that a file's name, or else the nearest of its folders, names."""
    where = root / key_of(path)
    if not is_utf8(key_of(path)):
        raise UserError(f"{where}: the name is not UTF-8; rename the file or its folder")
    real_path(root, path)
    *folders, file = path.split("/")
    named = (_named_set(part, where) for part in (file, *reversed(folders)))
    found = next(filter(None, named), None)
    if found is None:
        raise _no_set(file, where)
    for folder in folders:
        if SETS.get(folder, found) != found:
            raise UserError(
                f"{where}: the file names the set {found} and its folder {SETS[folder]}; expected one"
            )
    return found


def _named_set(name: str, where: Path) -> str | None:
    """Return the set that a name begins with, or else the only one in it."""
    words = WORD.findall(name)
    sets = list(dict.fromkeys(SETS[word] for word in words if word in SETS))
    if len(sets) > 1 and words[0] not in SETS:
        raise UserError(
            f"{where}: {name} names the sets {' and '.join(sets)}; expected one, or a name that begins "
            "with the set's"
        )
    return sets[0] if sets else None


def _no_set(file: str, where: Path) -> UserError:
    near = next(filter(None, (nearest(word, SETS, 0.7) for word in WORD.findall(file))), None)
    hint = f"did you mean {near}?" if near else f"expected one of {', '.join(SETS)}"
    return UserError(
        f"{where}: neither the file's name nor its folder names a set; {hint}; rename the file or move it "
        "out of the data set"
    )


def advice_on(path: Path) -> str:
    """Return what to do about a file that cannot be read as what its name says."""
    with suppress(OSError), path.open("rb") as file:
        if file.read(len(POINTER)) == POINTER:
            return "it is a pointer of Git LFS; fetch the file itself (git lfs pull)"
    return "fetch it again, or move it out of the data set"
