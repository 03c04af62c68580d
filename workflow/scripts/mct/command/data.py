"""What the lists of a data set say, as text."""

from mct.cluster.overview import aligned
from mct.data.catalogue import SETS
from mct.experiment.lists import Lists

MOST_CLASSES = 20


def class_table(lists: Lists) -> list[str]:
    """Return a table of classes x sets; of many classes the largest and the smallest."""
    sums = ["all", *(f"{lists.sizes[name]:,}" for name in SETS)]
    rows: list[list[str]] = [["class", *SETS]]
    if lists.class_counts:
        counts = [lists.class_counts[name] for name in SETS]
        rows += [
            [name, *(f"{column[number]:,}" for column in counts)]
            for number, name in enumerate(lists.classes)
        ]
    if len(rows) > MOST_CLASSES + 1:
        order = sorted(rows[1:], key=lambda row: -int(row[1].replace(",", "")))
        half = MOST_CLASSES // 2
        rest = [f"... {len(order) - 2 * half} more", *[""] * len(SETS)]
        rows = [rows[0], *order[:half], rest, *order[-half:]]
    return aligned([*rows, sums])
