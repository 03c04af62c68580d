"""Compare every shard with its index and say which one differs."""

import find_library  # noqa: F401

from mct.data.imagesets import verify_index
from mct.stage import entry


def main() -> None:
    for index in entry.options(__doc__, indices=list).indices:
        print(f"{index}: {verify_index(index)} shards are as they were written")


if __name__ == "__main__":
    entry.run(main)
