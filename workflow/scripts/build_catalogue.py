"""Write the catalogue of a data set, one row per picture, and next to it what its folders skip."""

from pathlib import Path
from typing import Any

from mct.base.files import write_json
from mct.data.catalogue import build_catalogue, write_catalogue
from mct.data.layouts.base import Layout
from mct.data.layouts.registry import layout_module, open_layout
from mct.data.layouts.settings import DatasetSettings
from mct.data.verdict import were_files_checked
from mct.stage import entry
from mct.stage.closure import code_digest


def main() -> None:
    arguments = entry.options(__doc__, settings=str, threads=int, checked=tuple, output=Path)
    settings = entry.read_settings(DatasetSettings, arguments.settings)
    layout = open_layout(settings)
    code = code_digest(Path(__file__), layout_module(settings.layout)) if arguments.checked else ""
    known = any(were_files_checked(path, arguments.settings, code) for path in arguments.checked)
    catalogue = build_catalogue(layout, arguments.threads, check_files=not known)
    write_catalogue(catalogue, arguments.output)
    write_skipped(layout, arguments.output.with_suffix(".skipped.json"))


def write_skipped(layout: Layout, path: Path) -> None:
    """Write how many files in folders are listed, and which are skipped for which reason, as JSON.

    A path that ends with a slash is a folder; its files are counted, not named.
    """
    skipped: dict[str, dict[str, Any]] = {}
    for one in layout.skipped():
        part = skipped.setdefault(one.reason, {"files": 0, "paths": []})
        part["files"] += one.files
        part["paths"].append(one.path)
    write_json(path, {"listed": len(layout.listed_names()), "skipped": skipped})


if __name__ == "__main__":
    entry.run(main)
