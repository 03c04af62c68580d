"""Suspects and reviews as tables: read again, as cleanlab has them, and applied to the data set's own."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mct.base.files import replacing, table_rows
from mct.data.catalogue import Catalogue
from mct.data.imagesets import ImageSet
from mct.data.layouts.base import UNKNOWN
from mct.data.reviews import Decision
from mct.labels.judging import Judgement
from mct.results.suspects import COLUMNS

REVIEW = ("key", "label", "decision", "observed", "proposed")
"""Columns of a review as the page and `mct suspects import` write it."""
CLEANLAB = ("key", "is_label_issue", "label_score", "given_label", "predicted_label")
"""Columns of cleanlab's `Datalab.get_issues("label")`, after the key."""
CORRECTED = ("path", "label", "true_label", "split")


class Suspect(NamedTuple):
    """A row of the list of suspects; labels are names of classes."""

    key: str
    observed: str
    proposed: str
    wrong: float
    certainty: float


def read_suspects(path: Path) -> list[Suspect]:
    """Return the rows of a list of suspects; UserError if it cannot be read."""
    with table_rows(path, "a list of suspects", COLUMNS) as rows:
        return [
            Suspect(key, observed, proposed, float(wrong), float(certainty))
            for key, observed, proposed, wrong, certainty in rows
        ]


def decision_word(label: str, observed: str, proposed: str) -> str:
    """Return what a choice makes of a proposal: accepted, kept, other, or nothing where none was made."""
    words = {"": "", observed: "kept", proposed: "accepted"}
    return words.get(label, "other")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a whole CSV file."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def cleanlab_rows(
    judged: ImageSet, judgement: Judgement, names: Sequence[str]
) -> Iterator[tuple[object, ...]]:
    """Yield `CLEANLAB` of all judged pictures, in the order of the catalogue.

    `label_score` is the probability that the given label is right, as cleanlab's self-confidence.
    """
    keys, observed = judged.keys(), judged.observed.tolist()
    parts = zip(keys, observed, judgement.proposed.tolist(), judgement.wrong.tolist(), strict=True)
    for key, given, proposed, wrong in parts:
        yield key.decode(), proposed != given, f"{1 - wrong:.6f}", names[given], names[proposed]


def listed_cleanlab_rows(suspects: Iterable[Suspect]) -> Iterator[tuple[object, ...]]:
    """Yield `CLEANLAB` of listed pictures alone, all of which are issues."""
    for one in suspects:
        yield one.key, True, f"{1 - one.wrong:.6f}", one.observed, one.proposed


def corrected_rows(
    catalogue: Catalogue,
    decisions: Mapping[str, Decision],
    left_out: Iterable[str],
    names: Sequence[str],
) -> Iterator[tuple[str, ...]]:
    """Yield `CORRECTED` of the pictures that are used: reviewed labels in place of observed ones.

    The true label is that of the clean and held-out sets and of reviews; what serves to measure
    alone is not shown. A clean picture without an observed label has its true one.
    """
    texts, unused = {UNKNOWN: "", **dict(enumerate(names))}, frozenset(left_out)
    labels = zip(catalogue.keys, catalogue.observed.tolist(), catalogue.true.tolist(), strict=True)
    members = {name: flags.tolist() for name, flags in catalogue.members.items()}
    for place, (key, observed, true) in enumerate(labels):
        if key in unused:
            continue
        held_out = next((name for name in ("test", "validation") if members[name][place]), "")
        is_known = members["clean"][place] or bool(held_out)
        known, label = true if is_known else UNKNOWN, observed
        if key in decisions:
            known = label = decisions[key].label
        elif label == UNKNOWN and not held_out:
            label = known
        yield catalogue.paths[place], texts[label], texts[known], held_out or "train"
