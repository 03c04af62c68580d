"""Write the catalogue with reviewed labels: their pictures join the clean set."""

from pathlib import Path

from mct.base.texts import read_names
from mct.data.catalogue import read_catalogue, write_catalogue
from mct.data.reviews import apply_reviews, read_reviews
from mct.stage import entry


def main() -> None:
    arguments = entry.options(__doc__, catalogue=Path, classes=Path, reviews=list, output=Path)
    names = read_names(arguments.classes)
    decisions = read_reviews(arguments.reviews, names)
    catalogue = apply_reviews(read_catalogue(arguments.catalogue), decisions, names)
    write_catalogue(catalogue, arguments.output)


if __name__ == "__main__":
    entry.run(main)
