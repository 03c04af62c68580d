"""What every layout's rows go through: further true labels, synthetic noise, and hiding the truth.

A layout yields each true label that its files hold. Labels of training pictures that are not clean
serve to measure, or to make synthetic noise from, and are never trained on; unless they are asked
for they do not even reach the catalogue.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mct.base.errors import UserError
from mct.base.settings import DatasetSettings
from mct.data.layouts.base import BUILTIN, UNKNOWN, Row, read_labels
from mct.data.layouts.synthetic import corrupt_rows


def finished(
    rows: Iterable[Row],
    settings: DatasetSettings,
    classes: int,
    read: Callable[[str], bytes],
    threads: int,
    spell: Callable[[str], str] = str,
) -> Iterator[Row]:
    """Yield a layout's rows as the catalogue has them.

    True labels of the measuring file fill in where there are none; synthetic noise replaces observed
    labels of the noisy set; then true labels that may not be known are hidden.

    Parameters
    ----------
    read, threads
        Returns the encoded picture at a row's path, which some kinds of noise depend on, and how
        many threads call it.
    spell
        Gives a key of the measuring file its one spelling.

    Raises
    ------
    UserError
        A measuring label against a true label, synthetic noise without true labels.
    """
    path = settings.measuring_labels
    is_file = path not in (None, BUILTIN)
    measuring = read_labels(Path(str(path)), classes, spell) if is_file else {}
    filled = (_measured(row, measuring, path) for row in rows) if measuring else rows
    for row in corrupt_rows(filled, settings, classes, read, threads):
        is_known = row.true == UNKNOWN or row.clean or row.validation or row.test
        is_known = is_known or path == BUILTIN or row.key in measuring
        yield row if is_known else row._replace(true=UNKNOWN)


def _measured(row: Row, measuring: dict[str, int], path: str | None) -> Row:
    label = measuring.get(row.key, row.true)
    if row.true not in (UNKNOWN, label):
        raise UserError(f"{path}: key {row.key} has two true labels, {row.true} and {label} here")
    return row._replace(true=label)


def refuse_builtin(settings: DatasetSettings) -> None:
    """Raise UserError where measuring labels are `builtin` and the layout brings none."""
    if settings.measuring_labels == BUILTIN:
        raise UserError(
            f"dataset.measuring_labels: layout {settings.layout} brings no true labels of its "
            "training pictures; expected a file or null, got builtin"
        )
