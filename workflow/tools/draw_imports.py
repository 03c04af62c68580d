"""Draw which rooms of the library import which: a layer for each room, an arrow for each pair.

    python workflow/tools/draw_imports.py --library workflow/scripts/mct --output imports.svg

Layers are in the order that the library's docstring names. Arrows on the right point down, as they
should; what imports a room above itself is red and on the left. Each number
counts pairs of an importing and an imported module.
"""

import ast
import re
import textwrap
from collections import Counter
from pathlib import Path

import find_library  # noqa: F401

from mct.base.errors import UserError
from mct.results.plotting import Axes, mpl, plt
from mct.stage import entry
from mct.stage.closure import imported_names

WIDTH, LINE, PADDING, GAP, CHARACTERS = 9.0, 0.24, 0.36, 0.3, 100
BULGE = 0.5
"""Inches that an arrow swings out for each layer it passes."""
AGAINST = "#d62728"
COLORS = [color for color in mpl.color_sequences["tab10"] if mpl.colors.to_hex(color) != AGAINST]


def main() -> None:
    options = entry.options(__doc__, library=Path, output=Path)
    rooms = read_rooms(options.library)
    counts = count_imports(options.library, list(rooms))
    draw(rooms, counts, options.output)


def read_rooms(library: Path) -> dict[str, list[str]]:
    """Return the modules of each room by its name, from the ground up."""
    if not (library / "__init__.py").exists():
        raise UserError(f"{library}: expected the folder of the library, with an __init__.py")
    docstring = ast.get_docstring(ast.parse((library / "__init__.py").read_text())) or ""
    folders = {path.parent.name for path in library.glob("*/*.py")}
    order = [name for name in dict.fromkeys(re.findall(r"`(\w+)`", docstring)) if name in folders]
    if missing := folders - set(order):
        raise UserError(f"{library}/__init__.py: its docstring does not name {min(missing)}")
    return {
        room: sorted(
            str(path.relative_to(library / room).with_suffix(""))
            for path in (library / room).rglob("*.py")
            if path.stem != "__init__"
        )
        for room in order
    }


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


def draw(rooms: dict[str, list[str]], counts: Counter[tuple[str, str]], path: Path) -> None:
    """Write the picture of the rooms and the arrows between them."""
    texts = {room: textwrap.wrap(",  ".join(names), CHARACTERS) for room, names in rooms.items()}
    heights = [PADDING + LINE * len(lines) for lines in texts.values()]
    bottoms = [sum(heights[:n]) + GAP * n for n in range(len(heights))]
    places = dict(zip(rooms, zip(bottoms, heights, strict=True), strict=True))
    swing = 0.8 * BULGE * len(rooms)
    against = [pair for pair in counts if is_against(pair, list(rooms))]
    left, top = -swing if against else -0.1, bottoms[-1] + heights[-1]
    figure = plt.figure(figsize=(WIDTH + swing - left, top + 0.7))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(left, WIDTH + swing), ylim=(-0.1, top + 0.6))
    axes.axis("off")
    for room, lines in texts.items():
        draw_room(axes, room, len(rooms[room]), lines, *places[room])
    for pair, count in counts.items():
        draw_arrow(axes, pair, count, places, pair in against)
    title = (
        f"{sum(map(len, rooms.values()))} modules in {len(rooms)} rooms; {counts.total()} imports "
        f"between {len(counts)} pairs of rooms, {len(against)} of them against the order"
    )
    axes.text(0, top + 0.25, title, fontsize=11)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=110)


def is_against(pair: tuple[str, str], order: list[str]) -> bool:
    """Tell whether a room imports one above itself."""
    importer, imported = map(order.index, pair)
    return importer < imported


def draw_room(
    axes: Axes, room: str, modules: int, lines: list[str], bottom: float, height: float
) -> None:
    """Draw a layer: its name, the number of its modules, and their names."""
    box = mpl.patches.FancyBboxPatch(
        (0, bottom), WIDTH, height, boxstyle="round,pad=0,rounding_size=0.08",
        facecolor="#eef2f7", edgecolor="#5b6b7f",
    )  # fmt: skip
    axes.add_patch(box)
    middle = bottom + height / 2
    axes.text(0.15, middle, f"{room} ({modules})", va="center", fontsize=12, weight="bold")
    axes.text(2.1, middle, "\n".join(lines), va="center", fontsize=9, linespacing=1.4)


def draw_arrow(
    axes: Axes,
    pair: tuple[str, str],
    count: int,
    places: dict[str, tuple[float, float]],
    against: bool,
) -> None:
    """Draw the arrow from a room to one that it imports, with the number of imports."""
    order = list(places)
    span = abs(order.index(pair[0]) - order.index(pair[1]))
    side, edge = (-1, 0.0) if against else (1, WIDTH)
    # Long arrows leave low and arrive high, so that fewer of them cross.
    share = span / len(order)
    starts, ends = places[pair[0]], places[pair[1]]
    start = starts[0] + starts[1] * (0.45 - 0.4 * share if not against else 0.9)
    end = ends[0] + ends[1] * (0.55 + 0.4 * share if not against else 0.1)
    color = AGAINST if against else COLORS[order.index(pair[0]) % len(COLORS)]
    reach = edge + side * BULGE * (0.35 + span)
    curve = mpl.path.Path([(edge, start), (reach, start), (reach, end), (edge, end)],
                                 [1, 4, 4, 4])  # fmt: skip
    arrow = mpl.patches.FancyArrowPatch(
        path=curve, arrowstyle="-|>", mutation_scale=11, color=color, linewidth=0.8 + count**0.5 / 4
    )
    axes.add_patch(arrow)
    label = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"}
    axes.text(edge + 0.75 * (reach - edge), (start + end) / 2, str(count), color=color, fontsize=9,
              ha="center", va="center", bbox=label)  # fmt: skip


if __name__ == "__main__":
    entry.run(main)
