"""Writing a made data set as files, laid out like Clothing1M, by several processes."""

import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np

from garments.drawing import draw_jpeg
from garments.looks import NAMES
from garments.plan import DAMAGES, PICTURE_STREAM, Plan, Request, make_plan
from mct.base.errors import UserError
from mct.base.files import write_text
from mct.data.layouts.clothing1m import LISTS, OBSERVED, TRUE

PER_FOLDER = 1000
PER_TASK = 100
BYTES_PER_PICTURE = 17_000
SECONDS_BETWEEN_LINES = 10
MEASURING = "true_labels.txt"


class Piece(NamedTuple):
    """What a process needs to know of one picture to write it."""

    path: str
    seed: tuple[int, int, int]
    label: int
    other: int
    ambiguity: float
    damage: int


def make_folder(root: Path, request: Request, workers: int) -> Plan:
    """Make a data set and return what it holds; lists come last, so that they name what is there.

    The bytes are the same for any number of workers. UserError if the folder holds something, the
    request does not fit, or the disk has no room for it.
    """
    request.check()
    if workers < 1:
        raise UserError(f"--workers: expected 1 or more, got {workers}")
    prepare(root, request.sets()["test"].stop)
    plan = make_plan(request)
    write_pictures(root, request, plan, workers)
    write_lists(root, request, plan)
    return plan


def prepare(root: Path, count: int) -> None:
    """Make the folders of `count` pictures."""
    if root.exists() and not root.is_dir():
        raise UserError(f"--output: expected a folder, got the file {root}")
    if root.is_dir() and any(root.iterdir()):
        raise UserError(f"--output: {root} is not empty; name a new folder, or delete this one")
    existing = next(path for path in (root, *root.absolute().parents) if path.exists())
    free, needed = shutil.disk_usage(existing).free, count * BYTES_PER_PICTURE
    if needed > free:
        raise UserError(
            f"--output: {count:,} pictures take about {needed / 1e9:.1f} GB, {existing} has "
            f"{free / 1e9:.1f} GB left"
        )
    for number in range(0, count, PER_FOLDER):
        (root / key_of(number)).parent.mkdir(parents=True)


def key_of(number: int) -> str:
    """Return the key of a picture, which is its path too."""
    return f"images/{number // PER_FOLDER:04d}/{number:09d}.jpg"


def write_pictures(root: Path, request: Request, plan: Plan, workers: int) -> None:
    """Write the files of all pictures."""
    tasks = list(pieces_of(root, request, plan))
    if workers == 1:
        report(map(write_pieces, tasks), len(plan.true))
        return
    ignore = (signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits
    with ProcessPoolExecutor(
        workers, get_context("spawn"), initializer=signal.signal, initargs=ignore
    ) as pool:
        report(pool.map(write_pieces, tasks), len(plan.true))


def pieces_of(root: Path, request: Request, plan: Plan) -> Iterator[list[Piece]]:
    """Yield what is to be written, in tasks."""
    count = len(plan.true)
    columns = (plan.source, plan.true, plan.resembled, plan.ambiguity, plan.damage)
    for start in range(0, count, PER_TASK):
        part = slice(start, min(start + PER_TASK, count))
        rows = zip(range(count)[part], *(column[part].tolist() for column in columns), strict=True)
        yield [
            Piece(str(root / key_of(number)), (request.seed, PICTURE_STREAM, source), *rest)
            for number, source, *rest in rows
        ]


def write_pieces(pieces: list[Piece]) -> int:
    """Write pictures and return how many."""
    for piece in pieces:
        generator = np.random.default_rng(piece.seed)
        data = draw_jpeg(piece.label, piece.other, piece.ambiguity, generator)
        Path(piece.path).write_bytes(damaged(data, DAMAGES[piece.damage]))
    return len(pieces)


def damaged(data: bytes, kind: str) -> bytes:
    """Return what a kind of damage leaves of a file."""
    left = {
        "none": data,
        "empty": b"",
        "cut": data[: len(data) // 2],
        "text": b"<html><body>404 Not Found</body></html>\n",
        "headless": data[100:],
    }
    return left[kind]


def report(done: Iterable[int], count: int) -> None:
    """Wait until all is done, with a line every few seconds."""
    written, last = 0, time.monotonic()
    for number in done:
        written += number
        if time.monotonic() - last > SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"{written:,} of {count:,} pictures", file=sys.stderr, flush=True)


def write_lists(root: Path, request: Request, plan: Plan) -> None:
    """Write class names, sets and labels, and the true labels of all beside them."""
    folder, sets = root / "annotations", request.sets()
    true = plan.true.tolist()
    for name, members in sets.items():
        write_text(folder / LISTS[name], "".join(f"{key_of(number)}\n" for number in members))
    known = [number for name in ("clean", "validation", "test") for number in sets[name]]
    write_text(folder / TRUE, label_lines(known, true))
    write_text(folder / OBSERVED, label_lines(sets["noisy"], plan.observed.tolist()))
    write_text(folder / "category_names_eng.txt", "".join(f"{name}\n" for name in NAMES))
    write_text(root / MEASURING, label_lines(range(len(true)), true))


def label_lines(numbers: Iterable[int], labels: list[int]) -> str:
    """Return lines `key label` of pictures by their numbers."""
    return "".join(f"{key_of(number)} {labels[number]}\n" for number in numbers)
