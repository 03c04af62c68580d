"""What lies in folders that are themselves lists and is not listed, by reason, from stage to stage."""

from pathlib import Path
from typing import Any

from mct.base.files import write_json
from mct.data.layouts.base import Layout


def write_skipped(layout: Layout, path: Path) -> None:
    """Write how many files of folders are listed, and which are skipped, as JSON.

    A path that ends with a slash is a folder; its files are counted, not named.
    """
    skipped: dict[str, dict[str, Any]] = {}
    for one in layout.skipped():
        part = skipped.setdefault(one.reason, {"files": 0, "paths": []})
        part["files"] += one.files
        part["paths"].append(one.path)
    write_json(path, {"listed": len(layout.listed_names()), "skipped": skipped})
