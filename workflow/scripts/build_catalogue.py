"""Write the catalogue of a data set: one row per picture."""

from pathlib import Path

from mct.base.settings import DatasetSettings
from mct.data.catalogue import build_catalogue, write_catalogue
from mct.data.layouts.registry import open_layout
from mct.data.skipped import write_skipped
from mct.stage import entry


def main() -> None:
    arguments = entry.options(__doc__, settings=str, threads=int, skipped=Path, output=Path)
    layout = open_layout(entry.read_settings(DatasetSettings, arguments.settings))
    write_catalogue(build_catalogue(layout, arguments.threads), arguments.output)
    write_skipped(layout, arguments.skipped)


if __name__ == "__main__":
    entry.run(main)
