"""Further true labels, which serve to measure and are never trained on."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from mct.errors import UserError
from mct.layouts.base import BUILTIN, UNKNOWN, Row, read_labels
from mct.settings import DatasetSettings


def measured(rows: Iterable[Row], settings: DatasetSettings, classes: int) -> Iterator[Row]:
    """Yield rows, with the measuring file's true labels where there were none.

    Raises
    ------
    UserError
        A measuring label against a true label.
    """
    path = settings.measuring_labels
    labels = read_labels(Path(path), classes) if path not in (None, BUILTIN) else {}
    for row in rows:
        label = labels.get(row.key, row.true)
        if row.true not in (UNKNOWN, label):
            raise UserError(
                f"{path}: key {row.key} has two true labels, {row.true} and {label} here"
            )
        yield row._replace(true=label)


def refuse_builtin(settings: DatasetSettings) -> None:
    """Raise UserError where measuring labels are `builtin` and the layout brings none."""
    if settings.measuring_labels == BUILTIN:
        raise UserError(
            f"dataset.measuring_labels: layout {settings.layout} brings no true labels of its "
            "training pictures; expected a file or null, got builtin"
        )


def known_truth(label: int, settings: DatasetSettings, *, clean: bool) -> int:
    """Return a training picture's true label if it may be known: clean, or to measure."""
    return label if clean or settings.measuring_labels == BUILTIN else UNKNOWN
