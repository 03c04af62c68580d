"""The arithmetic of a net, where an experiment has measured it: all its stages compute alike."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from mct.base.files import read_json
from mct.base.keys import Settings

S = TypeVar("S", bound=Settings)


def with_measured(settings: S, files: Sequence[Path]) -> S:
    """Return settings whose `model` computes in the arithmetic that a file names, if there is one."""
    for file in files:
        changed: dict[str, Any] = {"precision": read_json(file, "precision")["precision"]}
        model = msgspec.structs.replace(settings.model, **changed)  # type: ignore[attr-defined]
        settings = msgspec.structs.replace(settings, model=model)
    return settings
