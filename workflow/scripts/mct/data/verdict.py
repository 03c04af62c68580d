"""Whether lists changed since somebody checked them, by the times of their files and folders.

Reading and checking lists of a million pictures takes seconds, looking at a few times does not.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from mct.base.errors import UserError
from mct.base.files import read_json
from mct.data.layouts.base import Layout

Stamps = dict[str, list[int]]
"""Time of the last change in nanoseconds, and size, of files and folders by their path."""
SETTLING_NANOSECONDS = 2 * 10**9
"""What changed so shortly before it was looked at may change again and keep its time."""
GONE = [-1, -1]


def take_stamps(layout: Layout) -> Stamps:
    """Return the stamps of everything that a layout's lists come from; none without lists.

    Folders of lists are among them, since a new list may replace another.
    """
    if not layout.has_lists:
        return {}
    files = [*layout.source_files(), *layout.name_files()]
    folders = {Path(str(layout.settings.root)), *(file.parent for file in files)}
    paths = [*map(str, files), *map(str, sorted(folders))]
    for top in layout.listed_folders():
        paths += folders_below(str(top))
    return {path: _stamp(path) for path in paths}


def complete_stamps(stamps: Stamps, layout: Layout, started: int) -> Stamps:
    """Return stamps and those of all else that was looked at for the lists to be read and checked.

    None where a change could go unnoticed, since something changed a moment ago. `stamps` is what
    `take_stamps` returned before the lists were read, `started` when that was, in nanoseconds.
    """
    if not stamps:
        return {}
    found = {**{str(path): _stamp(str(path)) for path in layout.looked_at()}, **stamps}
    first, last = started - SETTLING_NANOSECONDS, time.time_ns() + SETTLING_NANOSECONDS
    return {} if any(first <= changed <= last for changed, _ in found.values()) else found


def is_current(stamps: Stamps) -> bool:
    """Return whether nothing changed since the stamps were taken; False for none."""
    return bool(stamps) and all(_stamp(path) == stamp for path, stamp in stamps.items())


def were_files_checked(record: Path, settings: str, known_by: str) -> bool:
    """Return whether a workflow's record says that all pictures of the present lists are there.

    A record of other `settings` of the data set, as JSON, says nothing, nor does one by other code:
    `known_by` is the digest of the code that reads lists.
    """
    try:
        found = read_json(record, "settings", "known_by", "stamps", "files_checked")
    except UserError:
        return False
    is_ours = found["settings"] == settings and found["known_by"] == known_by
    return is_ours and found["files_checked"] is True and is_current(found["stamps"])


def folders_below(top: str) -> Iterator[str]:
    """Yield a folder and all below it but hidden ones; each real folder once, none outside."""
    root = os.path.realpath(top)
    waiting, seen = [top], {root}
    while waiting:
        folder = waiting.pop()
        yield folder
        try:
            with os.scandir(folder) as entries:
                below = [entry for entry in entries if entry.name[0] != "." and _is_folder(entry)]
        except OSError:  # the layout says so where it needs the folder
            continue
        for entry in below:
            real = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
            is_outside = entry.is_symlink() and not real.startswith(f"{root}/")
            if real not in seen and not is_outside:
                seen.add(real)
                waiting.append(entry.path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _stamp(path: str) -> list[int]:
    try:
        status = Path(path).stat()
    except OSError:
        return GONE
    return [status.st_mtime_ns, status.st_size]
