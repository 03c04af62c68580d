"""Files that nobody expects among pictures, and a clock for what may wait for one of them."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from mct.base.errors import UserError
from mct.base.files import write_rows
from mct.data.catalogue import build_catalogue, write_catalogue
from mct.data.inspection import Finding, inspect_part, write_findings
from mct.data.intake import Listed, list_pictures
from mct.data.layouts.base import Layout, Row
from mct.data.quarantine import findings_by_key, inspected_rows

LATIN = os.fsdecode("caf\u00e9".encode("latin-1"))
"""A name that is not UTF-8, as Python gives it."""


@contextmanager
def at_most(seconds: float, root: Path) -> Iterator[None]:
    """Raise TimeoutError in a block that waits for longer, and free threads that wait for a pipe."""

    def stop(*_: object) -> None:
        for pipe in filter(Path.is_fifo, root.rglob("*")):
            with suppress(OSError):  # nobody waits for this one
                os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        if not stopped:
            stopped.append(True)
            raise TimeoutError(f"waited for more than {seconds} s")

    stopped: list[bool] = []
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def make_socket(path: Path) -> None:
    """Leave a socket behind, which has a short path only from its own folder."""
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


def files_in(root: Path) -> int:
    """Return how many entries below a folder are no folders."""
    walk = os.walk(root)
    return sum(
        len(files) + sum(Path(top, name).is_symlink() for name in folders)
        for top, folders, files in walk
    )


def inspected(layout: Layout, folder: Path) -> list[tuple[Row, Finding]]:
    """Write catalogue and findings of a data set as its stages do, and read them again."""
    folder.mkdir(exist_ok=True)
    catalogue, findings = folder / "catalogue.tsv", folder / "findings.tsv"
    listing = folder / "listing.tsv"
    write_catalogue(build_catalogue(layout), catalogue)
    write_rows(listing, Listed._fields, list_pictures(layout))
    write_findings(inspect_part(listing, layout, 0, 1, 10**6, 1), findings)
    return list(inspected_rows(catalogue, findings_by_key([findings])))


def quarantined(layout: Layout, folder: Path) -> dict[str, str]:
    """Return the kind of each picture that is left out, by its key."""
    pairs = inspected(layout, folder)
    return {row.key: finding.kind for row, finding in pairs if finding.kind}


def lines_of(error: UserError) -> int:
    """Return how many lines an error's text has."""
    return str(error).count("\n") + 1


def random_name(generator: np.random.Generator) -> str:
    """Return any name that a file system admits, of 1 to 40 bytes: of ASCII or of any bytes."""
    length = int(generator.integers(1, 41))
    codes = generator.choice([*range(1, 47), *range(48, generator.choice([128, 256]))], length)
    return os.fsdecode(bytes(codes.tolist()))
