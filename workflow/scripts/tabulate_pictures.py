"""Write the tables of pictures and classes of a data set, and draw them."""

from pathlib import Path

from mct.base.files import read_json
from mct.base.texts import read_names
from mct.data.catalogue import SETS
from mct.results.census import SIDE_EDGES, class_rows, describe_sum, picture_rows
from mct.results.figures import draw_pictures
from mct.results.plotting import save_figure
from mct.results.tables import name_clean_set, write_table
from mct.stage import entry


def main() -> None:
    arguments = entry.options(
        __doc__, dataset=str, clean=str, census=Path, names=Path, pictures=Path, classes=Path,
        figure=Path,
    )  # fmt: skip
    counted = read_json(arguments.census, *SETS, "total")
    census = {name: counted[name] for name in SETS}
    names = read_names(arguments.names)
    where = f"Data set {arguments.dataset}, measured on its files"
    caption = name_clean_set(f"{where}; see docs/pictures.md.", arguments.clean)
    total = describe_sum(counted["total"])
    write_table(picture_rows(census), arguments.pictures, f"{caption}\n\n{total}")
    classes = class_rows(census, names)
    write_table(classes, arguments.classes, f"{where}: observed labels in noisy, else true ones.")
    save_figure(draw_pictures(census, names, SIDE_EDGES), arguments.figure)


if __name__ == "__main__":
    entry.run(main)
