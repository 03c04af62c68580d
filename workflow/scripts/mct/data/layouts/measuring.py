"""What every layout's rows go through: further true labels, synthetic noise, and hiding the truth.

A layout yields each true label that its files hold. Labels of training pictures that are not clean
serve to measure, or to make synthetic noise from, and are never trained on; unless they are asked
for they do not even reach the catalogue.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from mct.base.errors import UserError, preview
from mct.base.names import name_of
from mct.data.layouts.base import BUILTIN, UNKNOWN, Row, read_labels, spell_path
from mct.data.layouts.settings import DatasetSettings
from mct.data.layouts.synthetic import corrupt_rows


def finished(
    rows: Iterable[Row],
    settings: DatasetSettings,
    names: Sequence[str],
    read: Callable[[str], bytes],
    threads: int,
    spell: Callable[[str], str] = spell_path,
) -> Iterator[Row]:
    """Yield a layout's rows as the catalogue has them.

    True labels of the measuring file fill in where there are none; synthetic noise replaces observed
    labels of the noisy set; then true labels that may not be known are hidden.

    Parameters
    ----------
    names
        The names of the classes.
    read, threads
        Returns the encoded picture at a row's path, which some kinds of noise depend on, and how
        many threads call it.
    spell
        Gives a key of the measuring file its one spelling.

    Raises
    ------
    UserError
        A measuring label against a true label, measuring labels of other pictures, synthetic noise
        without true labels.
    """
    path = settings.measuring_labels
    measuring = _measuring_labels(path, names, spell)
    filled = (_measured(row, measuring, path, spell) for row in rows) if measuring else rows
    measured = 0
    for row in corrupt_rows(filled, settings, len(names), read, threads):
        is_measured = bool(measuring) and spell(name_of(row.key)) in measuring
        measured += is_measured
        is_known = row.true == UNKNOWN or row.clean or row.validation or row.test or is_measured
        yield row if is_known or path == BUILTIN else row._replace(true=UNKNOWN)
    if measuring and not measured:
        raise UserError(
            f"{path}: none of its {len(measuring)} keys is in the data set: {preview(list(measuring))}; "
            "expected keys as in the catalogue"
        )


def _measuring_labels(
    path: str | None, names: Sequence[str], spell: Callable[[str], str]
) -> dict[str, int]:
    """Return the labels of the measuring file by key, none where there is no file."""
    if path is None or path == BUILTIN:
        return {}
    return read_labels(Path(path), names, spell, may_be_unknown=True)


def _measured(
    row: Row, measuring: dict[str, int], path: str | None, spell: Callable[[str], str]
) -> Row:
    label = measuring.get(spell(name_of(row.key)), row.true) if measuring else row.true
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
