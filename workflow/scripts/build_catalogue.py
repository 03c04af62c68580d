"""Write the catalogue of a data set, one row per picture, and next to it what its folders skip."""

from pathlib import Path

from mct.data.catalogue import build_catalogue, write_catalogue
from mct.data.layouts.registry import layout_module, open_layout
from mct.data.layouts.settings import DatasetSettings
from mct.data.skipped import write_skipped
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


if __name__ == "__main__":
    entry.run(main)
