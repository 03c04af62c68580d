"""Reviews: labels that people chose for suspects, and the catalogue with them.

The chosen label becomes the true one of a picture in the noisy set. The picture joins the clean set and
stays noisy. It was looked at because its label seemed wrong, so it is no fair sample of how many labels
are wrong, nor of how. Whatever counts that goes by the catalogue without reviews.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mct.base.errors import UserError, preview
from mct.base.texts import read_table, refuse_foreign
from mct.data.catalogue import Catalogue
from mct.data.layouts.classes import UNKNOWN, Classes

COLUMNS = ("key", "label")
HELD_OUT = ("validation", "test")


class Decision(NamedTuple):
    """The class that was chosen for a picture, and the file and line that say so."""

    label: int
    place: str


def read_reviews(paths: Sequence[str | Path], names: Sequence[str]) -> dict[str, Decision]:
    """Return what files of reviews decide, by key; rows without a decision are left out.

    A file is a table with the columns `key` and `label`, the name or the number of a class. UserError
    for another label, and for a key with two different ones.
    """
    decisions: dict[str, Decision] = {}
    classes = Classes(names)
    for path in map(Path, paths):
        for line, (key, text) in read_table(path, COLUMNS):
            place = f"{path}, line {line}"
            decision = Decision(_label(classes, key, text, place), place)
            if decision.label == UNKNOWN:
                continue
            other = decisions.setdefault(key, decision)
            if other.label != decision.label:
                raise UserError(
                    f"{decision.place}: key {key} has the label {names[decision.label]!r} here and "
                    f"{names[other.label]!r} in {other.place}; keep one of the lines"
                )
    return decisions


def _label(classes: Classes, key: str, text: str, place: str) -> int:
    for cell in (key, text):
        refuse_foreign(cell, place)
    try:
        return classes.find(text)
    except UserError as error:
        raise UserError(f"{place}: key {key}: {error}") from error


def apply_reviews(
    catalogue: Catalogue, decisions: Mapping[str, Decision], names: Sequence[str]
) -> Catalogue:
    """Return a catalogue in which reviewed pictures have their true label and are clean as well.

    UserError for keys that are not in the noisy set or are held out, and for a picture that the data
    set itself has in its clean set with another label.
    """
    places = {key: place for place, key in enumerate(catalogue.keys) if key in decisions}
    members, clean = catalogue.members, catalogue.members["clean"].copy()
    for name in HELD_OUT:
        held_out = [key for key, place in places.items() if members[name][place]]
        _refuse(held_out, decisions, f"in the {name} set, whose labels are not reviewed")
    strays = [key for key in decisions if key not in places or not members["noisy"][places[key]]]
    _refuse(strays, decisions, "not in the noisy training set")
    true = catalogue.true.copy()
    for key, place in places.items():
        label = decisions[key].label
        if clean[place] and true[place] != label:
            raise UserError(
                f"{decisions[key].place}: key {key} is in the data set's clean set with the label "
                f"{names[true[place]]!r}, not {names[label]!r}; take the line out, or correct that label"
            )
        true[place], clean[place] = label, True
    return replace(catalogue, true=true, members={**members, "clean": clean})


def _refuse(keys: list[str], decisions: Mapping[str, Decision], what: str) -> None:
    if keys:
        are = "key is" if len(keys) == 1 else "keys are"
        raise UserError(
            f"{decisions[keys[0]].place}: {len(keys)} {are} {what}: {preview(keys)}; take such lines out "
            "of the review (the list of suspects has the keys)"
        )


def decisions_digest(decisions: Mapping[str, Decision]) -> str:
    """Return the SHA-256 of what was decided, in whichever files and order; nothing for no decision."""
    lines = sorted(f"{key}\t{decision.label}\n" for key, decision in decisions.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest() if lines else ""
