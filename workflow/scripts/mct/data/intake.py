"""Which pictures are inspected and stored together, kept from run to run.

An intake is the group of pictures that were new in the lists at the same time. Its list, a TSV file of
keys and paths, never changes: pictures that are listed later form an intake of their own, and a
picture that is listed no longer is only retired from its own. So inspections and shards of an intake
stay valid whatever is appended to lists, taken out of them or reordered, and whatever labels say. In
a folder without intakes all pictures form the first one, sorted by key.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from mct.base.errors import UserError
from mct.base.files import read_json, table_rows, write_json, write_rows
from mct.data.layouts.base import Layout

NAME = "intakes.json"
RETIRED, RETIRED_COLUMNS = "retired.tsv", ("intake", "key")
READING_KEYS = ("layout", "root", "archives", "clean_root", "test_root")
"""Keys of the section `dataset` that say where pictures are."""


class Listed(NamedTuple):
    """A picture in a list of an intake."""

    key: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Intake:
    """An intake's name, which is a number, how many pictures it has, and the digest of its list."""

    name: str
    pictures: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class Intakes:
    """All intakes that have listed pictures; `listed` is the digest of these pictures."""

    listed: str
    intakes: tuple[Intake, ...]

    @classmethod
    def first(cls, pictures: int, digest: str) -> "Intakes":
        """Return the one intake of a folder that has none."""
        return cls(listed=digest, intakes=(Intake(name="0", pictures=pictures, digest=digest),))

    @classmethod
    def recall(cls, folder: Path) -> "Intakes | None":
        """Return the intakes that a folder has, None where it has none or one lacks its list."""
        try:
            known = msgspec.convert(read_json(folder / NAME), cls)
        except (UserError, msgspec.ValidationError):
            return None
        if not (folder / RETIRED).is_file():  # the next division writes it again
            known = replace(known, listed="")
        lists = [list_file(folder, intake.name) for intake in known.intakes]
        return known if lists and all(map(Path.is_file, lists)) else None


@dataclass(frozen=True, kw_only=True)
class Division:
    """Intakes, what is new of them, and which pictures of each are listed no longer."""

    intakes: Intakes
    new: Sequence[Listed]
    retired: frozenset[tuple[str, str]]

    def write(self, folder: Path) -> None:
        """Write the list of the new intake, if there is one, and which intakes there are."""
        if self.new:
            file = list_file(folder, self.intakes.intakes[-1].name)
            if file.exists():  # intakes that lack a list start over; nobody may recall them now
                (folder / NAME).unlink(missing_ok=True)
            write_rows(file, Listed._fields, self.new)
        write_rows(folder / RETIRED, RETIRED_COLUMNS, sorted(self.retired))
        write_json(folder / NAME, asdict(self.intakes))


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One of the equal pieces that an intake is cut into, for inspection or for storage."""

    intake: Intake
    number: int
    pieces: int

    @property
    def name(self) -> str:
        """The piece's name in the names of files."""
        return f"{self.intake.name}-{self.number:04d}"


def cut(intakes: Intakes, count: int) -> dict[str, Piece]:
    """Return pieces of all intakes by name: `count` of the first; others have pieces no larger."""
    largest = intakes.intakes[0].pictures
    return {
        piece.name: piece
        for intake in intakes.intakes
        for pieces in [min(count, max(1, -(-count * intake.pictures // max(1, largest))))]
        for number in range(pieces)
        for piece in [Piece(intake=intake, number=number, pieces=pieces)]
    }


def list_file(folder: Path, name: str) -> Path:
    """Return the list of an intake."""
    return folder / f"{name}.tsv"


def list_pictures(layout: Layout) -> list[Listed]:
    """Return all pictures that a data set lists, sorted by key."""
    return sorted(Listed(*picture) for picture in layout.pictures())


def listing_digest(pictures: Iterable[Listed]) -> str:
    """Return the SHA-256 of a list of pictures."""
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update("\t".join(picture).encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()


def divide(folder: Path, pictures: Sequence[Listed]) -> Division:
    """Divide listed pictures, which are sorted, among the intakes of a folder and a new one.

    A picture is known by key and path: one under another path is a new one, and so is one that was
    retired and is listed again.
    """
    known, listed = Intakes.recall(folder), listing_digest(pictures)
    new, retired = set(pictures), set(_read_retired(folder)) if known and known.listed else set()
    kept = []
    for intake in known.intakes if known else ():
        check_listing(list_file(folder, intake.name), intake.digest)
        listing = read_listing(list_file(folder, intake.name))
        living = [one for one in listing if (intake.name, one.key) not in retired]
        retired |= {(intake.name, one.key) for one in living if one not in new}
        if not new.isdisjoint(living):
            kept.append(intake)
        new -= set(living)
    names = {intake.name for intake in kept}
    retired = {(name, key) for name, key in retired if name in names}
    added = sorted(new)
    if added:  # under a name that no intake has ever had, forgotten ones included
        number = 1 + max(int(file.stem) for file in folder.glob("[0-9]*.tsv")) if known else 0
        kept.append(Intake(name=str(number), pictures=len(added), digest=listing_digest(added)))
    intakes = Intakes(listed=listed, intakes=tuple(kept))
    return Division(intakes=intakes, new=added, retired=frozenset(retired))


def read_listing(path: Path) -> Iterator[Listed]:
    """Yield the pictures of a list of an intake; UserError if it is damaged."""
    with table_rows(path, "a list of pictures", Listed._fields) as rows:
        for key, name in rows:
            yield Listed(key, name)


def check_listing(path: Path, digest: str) -> None:
    """Raise UserError where a list of an intake is not the one that was written, by its digest."""
    if listing_digest(read_listing(path)) != digest:
        raise UserError(
            f"{path}: not the list that this intake had when it was made; restore it, or delete it and "
            "rerun, which may inspect and store pictures again"
        )


def retired_keys(folder: Path, name: str) -> frozenset[str]:
    """Return the keys of an intake's pictures that are listed no longer."""
    return frozenset(key for intake, key in _read_retired(folder) if intake == name)


def reading_settings(dataset: dict[str, Any]) -> dict[str, Any]:
    """Return those settings of a data set that its pictures depend on; the others keep defaults."""
    used = {key: dataset[key] for key in READING_KEYS if key in dataset}
    if dataset.get("label_set") == "noisy_label":  # of all names of labels the one in CIFAR-100
        used["label_set"] = dataset["label_set"]
    if dataset.get("clean_fraction") is not None:  # it matters to some layouts that there is one
        used["clean_fraction"] = 0.5
    return used


def _read_retired(folder: Path) -> Iterator[tuple[str, str]]:
    with table_rows(folder / RETIRED, "a list of pictures", RETIRED_COLUMNS) as rows:
        yield from ((intake, key) for intake, key in rows)
