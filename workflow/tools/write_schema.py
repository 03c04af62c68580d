"""Write the schema of the configuration from the definitions of its keys."""

import json
from pathlib import Path

import find_library  # noqa: F401

from mct.base.files import write_text
from mct.experiment.definitions import make_schema
from mct.stage import entry


def main() -> None:
    text = json.dumps(make_schema(), indent=2, ensure_ascii=False)
    write_text(entry.options(__doc__, output=Path).output, text + "\n")


if __name__ == "__main__":
    entry.run(main)
