"""Classes that are probably a mistake: too few pictures, and a name like another's."""

import numpy as np

from mct.base.texts import nearest
from mct.experiment.lists import Lists

FEWEST = 0.01
"""Share of the median class below which a class is doubtful."""
MOST_LINES = 10
HELD_OUT = ("clean", "validation", "test")
CLOSE = 0.75
"""Likeness of two names, 0 to 1, from which one may be a misspelling of the other."""


def class_cautions(lists: Lists) -> list[str]:
    """Return a line for each class that lacks pictures or has hardly any, at most `MOST_LINES`.

    The classes with the fewest pictures come first.
    """
    if not lists.class_counts:
        return []
    noisy = lists.class_counts["noisy"]
    median = float(np.median(noisy))
    doubts = {
        label: doubt
        for label in range(len(lists.classes))
        if (doubt := _doubt(lists, label, median))
    }
    labels = sorted(doubts, key=lambda label: noisy[label])
    lines = [_line(lists, label, doubts[label]) for label in labels[:MOST_LINES]]
    if len(labels) > MOST_LINES:
        lines.append(f"classes: {len(labels) - MOST_LINES} more classes lack pictures like these")
    return lines


def _doubt(lists: Lists, label: int, median: float) -> str:
    """Return what is doubtful about a class, nothing where all is well."""
    counts = {name: numbers[label] for name, numbers in lists.class_counts.items()}
    doubts = [f"no {name} picture" for name in HELD_OUT if not counts[name]]
    if counts["noisy"] < FEWEST * median:
        found = f"{counts['noisy']} noisy pictures" if counts["noisy"] else "no noisy picture"
        doubts.append(f"{found} (the median class has {median:g})")
    return ", ".join(doubts)


def _line(lists: Lists, label: int, doubt: str) -> str:
    name = lists.classes[label]
    near = _likely(lists, label)
    hint = f"; is it a misspelling of {near!r}?" if near else ""
    return f"classes: {name!r} has {doubt}{hint}"


def _likely(lists: Lists, label: int) -> str | None:
    """Return the nearest name of a class with more noisy pictures."""
    noisy, name = lists.class_counts["noisy"], lists.classes[label]
    larger = (
        other
        for place, other in enumerate(lists.classes)
        if noisy[place] > noisy[label] and not other.isdecimal()
    )
    return nearest(name, larger, CLOSE)
