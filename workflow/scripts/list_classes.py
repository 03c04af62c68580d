"""Write the names of the classes, one a line, for tables and figures."""

from pathlib import Path

from mct.base.files import write_text
from mct.data.layouts.registry import open_layout
from mct.data.layouts.settings import DatasetSettings
from mct.stage import entry


def main() -> None:
    arguments = entry.options(__doc__, settings=str, output=Path)
    layout = open_layout(entry.read_settings(DatasetSettings, arguments.settings))
    write_text(arguments.output, "".join(f"{name}\n" for name in layout.class_names()))


if __name__ == "__main__":
    entry.run(main)
