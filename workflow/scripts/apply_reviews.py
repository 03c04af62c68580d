"""Write the catalogue with reviewed labels: their pictures join the clean set.

The configuration names the files of reviews; other decisions than the plan read there are refused.
"""

from pathlib import Path

from mct.base.errors import UserError
from mct.base.texts import read_names
from mct.data.catalogue import read_catalogue, write_catalogue
from mct.data.reviews import apply_reviews, decisions_digest, read_reviews
from mct.stage import entry


def main() -> None:
    arguments = entry.options(
        __doc__, execution=Path, catalogue=Path, classes=Path, decided=str, output=Path
    )
    reviews = entry.read_keys(arguments.execution)["dataset"]["reviews"]
    names = read_names(arguments.classes)
    decisions = read_reviews(reviews, names)
    if decisions_digest(decisions) != arguments.decided:
        raise UserError(f"dataset.reviews: {', '.join(reviews)} changed after the plan; run again")
    catalogue = apply_reviews(read_catalogue(arguments.catalogue), decisions, names)
    write_catalogue(catalogue, arguments.output)


if __name__ == "__main__":
    entry.run(main)
