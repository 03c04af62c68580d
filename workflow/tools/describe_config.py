"""Write the configuration's schema and the reference of its keys, from the definitions of keys."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import find_library  # noqa: F401

from mct.base.files import write_text
from mct.experiment.configuration import QUICK_START, describe_keys
from mct.experiment.definitions import make_schema
from mct.stage import entry

HEADER = """# Configuration

One YAML file, checked against `workflow/schemas/config.schema.json`. A key that is left out has its
default. A default marked *digits only* is the quick start's. A key without another one must be given
with any other data set, and the plan says what the pictures suggest. `config.yaml` is the quick start;
a file given with `--configfile` replaces single keys of it.
Single keys can be given on the command line: `--config 'calibration={temperature: 3}'`.

A change of a key reruns the stages that use it. Keys of `execution` rerun nothing but measurements of
performance.

(Made by `python workflow/tools/describe_config.py --schema workflow/schemas/config.schema.json --reference
config/README.md`.)

| key | default | unit | meaning |
|---|---|---|---|
"""


def main() -> None:
    arguments = entry.options(__doc__, schema=Path, reference=Path)
    # As in the file: lists, where definitions of keys have tuples.
    text = json.dumps(make_schema(), indent=2, ensure_ascii=False)
    rows = [
        f"| `{key}` | {_default(part)} | {part.get('unit', '')} | {_meaning(part)} |"
        for key, part in _keys_and_phases(json.loads(text))
    ]
    write_text(arguments.schema, text + "\n")
    write_text(arguments.reference, HEADER + "\n".join(rows) + "\n")


def _keys_and_phases(schema: Mapping) -> Iterator[tuple[str, Mapping]]:
    """Yield every key, and after the first schedule the keys of its phases, which all have."""
    for key, part in describe_keys(schema):
        yield key, part
        if key == "pretraining.schedule":
            phases = next(branch["items"] for branch in part["anyOf"] if "items" in branch)
            yield from describe_keys(phases, f"{key}[].")


def _meaning(part: Mapping) -> str:
    return " ".join(part["description"].split()).replace("|", r"\|")


def _default(part: Mapping) -> str:
    if part.get("type") == "object":
        return ""
    texts = [f"`{json.dumps(part['default'])}`"] if "default" in part else []
    if QUICK_START in part:
        texts.append(f"`{json.dumps(part[QUICK_START])}` (digits only)")
    return ", ".join(texts)


if __name__ == "__main__":
    entry.run(main)
