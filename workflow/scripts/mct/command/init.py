"""Look at a folder or a table of pictures and write a commented configuration for it.

What it finds is shown: layout, classes in each set, size of the pictures, whether the share of wrong
labels can be counted, the machine, and what a run will cost. Nothing is trained.
"""

import argparse
from pathlib import Path
from typing import Any

from mct.base.errors import UserError
from mct.base.files import write_text
from mct.command import machine, recipe
from mct.command.data import class_table
from mct.command.detection import detect, open_found
from mct.command.plan import duration, read_plan, shown, start_words
from mct.command.printing import show, user_path
from mct.command.writing import configuration
from mct.data.catalogue import build_catalogue
from mct.data.layouts.base import LISTED, Layout
from mct.experiment.lists import Lists
from mct.experiment.suggestions import suggest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("data", type=user_path, help="a folder of pictures, or a table (CSV, TSV)")
    parser.add_argument("--output", type=user_path, help="the configuration; NAME.yaml by default")
    parser.add_argument(
        "--name", help="of the data set and the experiment; the folder's by default"
    )
    parser.add_argument("--force", action="store_true", help="overwrite the configuration")


def run(options: argparse.Namespace) -> None:
    """Write a configuration and show what it is for."""
    found = detect(options.data)
    layout = open_found(found)
    catalogue = build_catalogue(layout, LISTED)
    suggested = suggest(layout, catalogue)
    name = options.name or suggested["dataset.name"]
    path = options.output or Path(f"{name}.yaml")
    if path.exists() and not options.force:
        raise UserError(f"{path}: is there already; add --force to overwrite it, or --output")
    lists, here = Lists.read(layout, catalogue=catalogue), machine.look()
    text = _text(layout, lists, {**suggested, "dataset.name": name}, here)
    write_text(path, text)
    show([*describe(layout, lists, here), "", f"wrote {path}:", "", text.rstrip(), ""])
    plan = read_plan(path, here.cores)
    show([*plan, *duration(plan, here.cores), "", *_next(path, here)])


def _text(layout: Layout, lists: Lists, suggested: dict[str, Any], here: machine.Machine) -> str:
    if suggested["images.size"] is None:
        raise UserError(f"{layout.settings.root}: none of the listed pictures can be read")
    is_counted = layout.counts_confusion and suggested["dataset.noise_rate"] is not None
    shown = min(lists.class_counts.get("validation") or [0])
    side = suggested["images.size"]
    chosen = recipe.choose(lists.sizes, side, here, is_counted=is_counted, shown=shown)
    return configuration(layout, lists, suggested, chosen)


def describe(layout: Layout, lists: Lists, here: machine.Machine) -> list[str]:
    """Return what was found: the layout, classes by set, and the machine."""
    return [
        f"{layout.settings.root}: layout {layout.settings.layout}, {lists.pictures:,} pictures",
        f"clean set: {lists.clean_source}",
        "",
        *class_table(lists),
        "",
        f"this machine: {here.describe()}",
    ]


def _next(path: Path, here: machine.Machine) -> list[str]:
    lines = [f"next: {shown(path, start_words(here.cores))}"]
    if here.queues:
        lines.append(f"  or: {shown(path, ['--profile', 'slurm'])}")
    return lines
