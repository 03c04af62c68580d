"""Write the table of labels: the catalogue joined by key with what the shards hold."""

from pathlib import Path

from mct.data.catalogue import read_catalogue
from mct.data.labelling import write_labels
from mct.data.quarantine import read_kinds
from mct.stage import entry


def main() -> None:
    arguments = entry.options(
        __doc__, catalogue=Path, quarantine=Path, shards=list, classes=int, output=Path
    )
    catalogue, left_out = read_catalogue(arguments.catalogue), read_kinds(arguments.quarantine)
    write_labels(catalogue, left_out, arguments.shards, arguments.classes, arguments.output)


if __name__ == "__main__":
    entry.run(main)
