"""Verify a shard, picture by picture, and write down what it is."""

from pathlib import Path

from mct.base.files import write_json
from mct.data.shards import index_shard
from mct.stage import entry


def main() -> None:
    arguments = entry.options(__doc__, shard=Path, output=Path)
    write_json(arguments.output, index_shard(arguments.shard))


if __name__ == "__main__":
    entry.run(main)
