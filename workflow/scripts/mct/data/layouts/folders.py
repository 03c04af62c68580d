"""Folders that are themselves the list: which files are listed, and which are skipped and why.

A file whose name ends like a picture is listed whatever it is; the inspection judges it. Any other
file is listed if its first bytes are a picture's. Each remaining file is counted as skipped.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mct.base.errors import UserError
from mct.base.names import key_of
from mct.data.layouts.storage import entries_of, mode_of, real_path
from mct.data.pictures import KNOWN_ENDINGS

PICTURES = tuple(KNOWN_ENDINGS)
"""How names of pictures end, in small letters."""
TEXTS = (".txt", ".json", ".xml", ".csv", ".tsv", ".yaml", ".yml", ".md")
"""Endings of files that often accompany pictures one to one; they are never opened."""
SIGNATURE = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF.{4}WEBP|II[*+]\0|MM\0[*+]|P[1-6]\s"
    rb"|BM.{4}\0{4}.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\0{3}"
    rb"|.{4}ftypavi[fs]|\0{3}\x0cjP  |\xff\x4f\xff\x51",
    re.DOTALL,
)
"""How files of each format that can be decoded begin."""
SIGNATURE_BYTES = 32
JUDGED = ("no_picture", "no_file", "unreadable")
"""Reasons that a change of the file alone, and not of its folder, can take away."""
SPECIAL = frozenset({
    "@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "$recycle.bin", "recycler",
    "__macosx", "lost+found", "system volume information", "__pycache__",
    "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r",
})  # fmt: skip
"""Files and folders that NAS boxes, Windows, macOS and file systems make, in small letters."""


class Skipped(NamedTuple):
    """A file that is not listed, or a folder (its path ends with a slash) and the files below it."""

    path: str
    reason: str
    files: int = 1


class Listing(NamedTuple):
    """The keys of the pictures below a folder, sorted, and what was skipped there."""

    pictures: list[str]
    skipped: list[Skipped]


def ignored(name: str) -> str | None:
    """Return why a file or folder of this name is never looked at; None for any other name."""
    if name.startswith("."):
        return "hidden"
    return "special" if name.lower() in SPECIAL else None


def list_pictures(root: Path, prefix: str, folder: str) -> Listing:
    """Walk a folder below `root`; keys are paths below the root, after `prefix`.

    Links to folders below it are not followed, so the walk ends. UserError if the folder is a link
    that leads outside `root`, or one cannot be listed.
    """
    real_path(root, folder)
    pictures: list[str] = []
    skipped: list[Skipped] = []
    waiting = [folder]
    while waiting:
        parent = waiting.pop()
        for entry in entries_of(root / parent):
            path = f"{parent}/{entry.name}"
            reason = ignored(entry.name)
            if reason:
                skipped.append(skip(entry, prefix + path, reason))
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            elif (reason := _reason_to_skip(entry, root)) is not None:
                skipped.append(skip(entry, prefix + path, reason))
            else:
                pictures.append(key_of(prefix + path))
    return Listing(sorted(pictures), sorted(skipped))


def skip(entry: os.DirEntry[str], path: str, reason: str) -> Skipped:
    """Return an entry as skipped, with the number of files below it."""
    if not entry.is_dir(follow_symlinks=False):
        return Skipped(key_of(path), reason)
    files = sum(1 for _ in files_below(Path(entry.path), everything=True))
    return Skipped(key_of(f"{path}/"), reason, files)


def files_below(folder: Path, *, everything: bool = False) -> Iterator[Path]:
    """Yield all below a folder that is no folder, but nothing that `ignored` names.

    With `everything` nothing is left out, and a folder that cannot be listed counts as empty;
    otherwise it is a UserError.
    """
    waiting, forgiven = [folder], (UserError,) if everything else ()
    while waiting:
        with suppress(*forgiven):
            for entry in entries_of(waiting.pop()):
                if ignored(entry.name) and not everything:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                else:
                    yield Path(entry.path)


def _reason_to_skip(entry: os.DirEntry[str], root: Path) -> str | None:
    """Return why an entry that is no folder is not listed; None for a picture."""
    is_named = entry.name.lower().endswith(PICTURES)
    if is_named and not entry.is_symlink():
        return None
    mode = mode_of(Path(entry.path))
    if stat.S_ISDIR(mode):
        return "link_to_folder"
    if is_named:
        return None
    if not stat.S_ISREG(mode):
        return "no_file"
    if entry.name.lower().endswith(TEXTS):
        return "no_picture"
    if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(root.resolve()):
        return "link_outside"
    return _judge_content(entry.path)


def _judge_content(path: str) -> str | None:
    try:
        with open(path, "rb", buffering=0) as file:
            start = file.read(SIGNATURE_BYTES)
    except OSError:
        return "unreadable"
    return None if SIGNATURE.match(start) else "no_picture"
