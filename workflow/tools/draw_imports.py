"""Draw which rooms of the library import which, as a matrix.

    python workflow/tools/draw_imports.py --library workflow/scripts/mct --output imports.svg

Rooms are in the order that the library's docstring names. A cell counts the pairs of an importing and
an imported module. Cells above the diagonal are red: there a room imports one that comes after it.
"""

import ast
import re
from collections import Counter
from pathlib import Path

import find_library  # noqa: F401

from mct.base.errors import UserError
from mct.results.plotting import plt
from mct.stage import entry
from mct.stage.closure import imported_names

ALLOWED, AGAINST = "#cfe0f2", "#f4b6b6"


def main() -> None:
    options = entry.options(__doc__, library=Path, output=Path)
    rooms = read_rooms(options.library)
    draw(rooms, count_imports(options.library, rooms), options.output)


def read_rooms(library: Path) -> list[str]:
    """Return the rooms of a library in their order."""
    if not (library / "__init__.py").exists():
        raise UserError(f"{library}: expected the folder of the library, with an __init__.py")
    docstring = ast.get_docstring(ast.parse((library / "__init__.py").read_text())) or ""
    folders = {path.parent.name for path in library.glob("*/*.py")}
    order = [name for name in dict.fromkeys(re.findall(r"`(\w+)`", docstring)) if name in folders]
    if missing := folders - set(order):
        raise UserError(f"{library}/__init__.py: its docstring does not name {min(missing)}")
    return order


def count_imports(library: Path, rooms: list[str]) -> Counter[tuple[str, str]]:
    """Return how often a module of one room imports a module of another, by both rooms."""
    found = set()
    for room in rooms:
        for path in (library / room).rglob("*.py"):
            for target in imported_names(ast.parse(path.read_text())):
                package, other, *module = [*target.split("."), "", ""]
                if package == library.name and module[0] and other in set(rooms) - {room}:
                    found.add((room, path, other, module[0]))
    return Counter((room, other) for room, _, other, _ in sorted(found))


def draw(rooms: list[str], counts: Counter[tuple[str, str]], path: Path) -> None:
    """Write the picture: a row for each importing room, a column for each imported one."""
    figure, axes = plt.subplots(figsize=(7, 5.5), layout="constrained")
    places = range(len(rooms))
    axes.set_xticks(places, rooms, rotation=45, ha="left")
    axes.set_yticks(places, rooms)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.set(xlabel="imported room", ylabel="importing room")
    axes.xaxis.set_label_position("top")
    axes.set(xlim=(-0.5, len(rooms) - 0.5), ylim=(len(rooms) - 0.5, -0.5), aspect="equal")
    against = 0
    for (importer, imported), count in counts.items():
        row, column = rooms.index(importer), rooms.index(imported)
        against += column > row
        color = AGAINST if column > row else ALLOWED
        axes.add_patch(plt.Rectangle((column - 0.5, row - 0.5), 1, 1, color=color))
        axes.text(column, row, str(count), ha="center", va="center")
    axes.axline((-0.5, -0.5), slope=1, color="grey", linewidth=0.6)
    axes.set_title(
        f"{counts.total()} imports between {len(counts)} pairs of rooms, {against} against the order"
    )
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=110)


if __name__ == "__main__":
    entry.run(main)
