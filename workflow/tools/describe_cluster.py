"""Write the queues of the cluster that this runs on, from sinfo and scontrol, for the rules to plan with."""

import argparse
import sys
from pathlib import Path

import find_library  # noqa: F401

from mct.base.errors import UserError
from mct.cluster import description


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="the file of partitions")
    parser.add_argument(
        "--queues", nargs="+", default=[], help="those that you may use (default: all that are up)"
    )
    parser.add_argument(
        "--serial", nargs="+", default=[], help="those for jobs of one process, without MPI"
    )
    options = parser.parse_args()
    commands = (description.SINFO, description.PARTITIONS, description.CONFIG)
    nodes, partitions, config = map(description.ask, commands)
    text = description.describe(nodes, partitions, config, options.queues, options.serial)
    options.output.write_text(text)


if __name__ == "__main__":
    try:
        main()
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
