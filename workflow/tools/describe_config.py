"""Write the reference of all configuration keys from the schema, which `write_schema.py` makes."""

import json
from collections.abc import Mapping
from pathlib import Path

import find_library  # noqa: F401

from mct.base.files import write_text
from mct.experiment.configuration import QUICK_START, describe_keys, load_schema
from mct.stage import entry

HEADER = """# Configuration

One YAML file, checked against `workflow/schemas/config.schema.json`; what is left out has the
default. A default marked *digits only* is the quick start's: with any other data set the key must be
given, and the plan says what the pictures suggest. `config.yaml` is the quick start and lies under
every other file given with `--configfile`.
Single keys can be given on the command line: `--config 'calibration={temperature: 3}'`.

A change of a key reruns the stages that use it. Keys of `execution` rerun nothing but measurements of
performance.

(Made by `python workflow/tools/describe_config.py --output config/README.md`.)

| key | default | unit | meaning |
|---|---|---|---|
"""


def main() -> None:
    rows = [
        f"| `{key}` | {_default(part)} | {part.get('unit', '')} | {' '.join(part['description'].split())} |"
        for key, part in describe_keys(load_schema())
    ]
    write_text(entry.options(__doc__, output=Path).output, HEADER + "\n".join(rows) + "\n")


def _default(part: Mapping) -> str:
    if part.get("type") == "object":
        return ""
    default = part.get("default", part.get(QUICK_START))
    return f"`{json.dumps(default)}`" + (" (digits only)" if QUICK_START in part else "")


if __name__ == "__main__":
    entry.run(main)
