"""Compare every shard with its index and say which one differs."""

from mct import entry
from mct.imagesets import verify_index


def main() -> None:
    for index in entry.options(__doc__, indices=list).indices:
        print(f"{index}: {verify_index(index)} shards are as they were written")


if __name__ == "__main__":
    entry.run(main)
