"""Verify the shards of one set, picture by picture, and write an index of what they hold."""

from pathlib import Path

from mct.base.files import write_json
from mct.data.imagesets import index_shards
from mct.stage import entry


def main() -> None:
    arguments = entry.options(__doc__, set=str, shards=list, output=Path)
    write_json(arguments.output, index_shards(arguments.set, arguments.shards))


if __name__ == "__main__":
    entry.run(main)
