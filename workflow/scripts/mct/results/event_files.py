"""Curves of trainings as event files of TensorBoard, by its package, which is imported when used."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mct.base.errors import UserError
from mct.base.packages import advise_installing
from mct.base.roles import ROLES
from mct.results.figures import Table

TENSORBOARD = "tensorboard"
EVENT_FILES = "events.out.tfevents.*"


def check_package() -> None:
    """Raise UserError where the package is not installed."""
    if advice := advise_installing(TENSORBOARD):
        raise UserError(f"event files are written by TensorBoard, and {advice}")


def write_events(curves: Mapping[Path, Table]) -> None:
    """Write the columns of an epochs.tsv into an event file in the folder that each is given for.

    An event is a value by the number of its epoch; what was not measured has none. Event files that
    lie there are replaced. UserError where the package is not installed.
    """
    check_package()
    from tensorboard.summary import Writer

    for folder, table in curves.items():
        for old in folder.glob(EVENT_FILES):
            old.unlink()
        writer = Writer(str(folder))
        for tag, name in tags(table).items():
            for epoch, value in zip(table["epoch"], table[name], strict=True):
                if not np.isnan(value):
                    writer.add_scalar(tag, value, step=int(epoch))
        writer.close()


def tags(columns: Mapping[str, object]) -> dict[str, str]:
    """Return the columns of a training by their tags: of a pair `loss_primary` is `loss/primary`."""
    found = {}
    for name in columns:
        quantity, _, role = name.rpartition("_")
        found[f"{quantity}/{role}" if role in ROLES else name] = name
    return {tag: name for tag, name in found.items() if name != "epoch"}
