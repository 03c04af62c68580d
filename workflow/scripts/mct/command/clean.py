"""Show what of an experiment's results can go, how much it frees, and remove what is named.

Without names nothing is removed. Tables, figures, models and evaluations are never removed.
"""

import argparse
import os
import shutil
from pathlib import Path

from mct.base.errors import UserError
from mct.cluster.overview import aligned
from mct.command.experiments import Finished
from mct.command.printing import gigabytes, show, user_path
from mct.command.status import running

PARTS = {
    "checkpoints": "an interrupted training starts afresh",
    "features": "the next training computes them again",
    "shards": "the next training reads and stores all pictures again",
    "inspection": "the next shards need every picture to be decoded first",
    "performance": "tables of `snakemake performance` need new measurements",
    "logs": "what jobs said is lost",
}
"""Folders of results that can be made again, and what it costs to remove each."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("results", type=user_path, help="an experiment's folder of results")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"remove: {', '.join(PARTS)}")


def run(options: argparse.Namespace) -> None:
    """Show the parts of a folder of results, or remove those that are named."""
    folder = Finished(options.results).folder
    for part in options.parts:
        if part not in PARTS:
            raise UserError(f"{part}: expected one of {', '.join(PARTS)}")
    if options.parts and (lines := running(folder)):
        raise UserError(f"{folder}: a stage is running ({lines[0]}); wait for it")
    if options.parts:
        show([remove(folder / part) for part in options.parts])
    else:
        show(table(folder))


def table(folder: Path) -> list[str]:
    """Return what there is, its size, and what it costs to remove it."""
    there = [part for part in PARTS if (folder / part).is_dir()]
    if not there:
        return [f"{folder}: nothing can go"]
    rows = [[part, gigabytes(size_of(folder / part))] for part in there]
    lines = aligned([["part", "frees"], *rows])
    costs = ["removed, it costs", *(PARTS[part] for part in there)]
    return [f"{line}  {cost}" for line, cost in zip(lines, costs, strict=True)]


def size_of(folder: Path) -> int:
    """Return the bytes of the files below a folder; a file with several names counts once."""
    seen: dict[tuple[int, int], int] = {}
    for place, _, names in os.walk(folder):
        for name in names:
            found = Path(place, name).lstat()
            seen[found.st_dev, found.st_ino] = found.st_size
    return sum(seen.values())


def remove(folder: Path) -> str:
    """Remove a folder; return what that freed."""
    if not folder.is_dir():
        return f"{folder}: is not there"
    freed = size_of(folder)
    shutil.rmtree(folder)
    return f"{folder}: removed, {gigabytes(freed)} freed"
