"""Compare every shard with its digest in a table of labels, and say which one differs."""

import find_library  # noqa: F401

from mct.data.imagesets import verify_index
from mct.stage import entry


def main() -> None:
    for table in entry.options(__doc__, labels=list).labels:
        print(f"{table}: {verify_index(table)} shards are as they were written")


if __name__ == "__main__":
    entry.run(main)
