"""The record next to a result: what made it, on what, with which settings and in what time."""

import sys
import time
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import msgspec

from mct.base.files import write_json

STARTED = time.time()


def write_record(path: Path, facts: dict[str, Any]) -> None:
    """Write the record of a result: facts, settings as plain data, the command and its time."""
    plain = {name: _plain(fact) for name, fact in facts.items()}
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(STARTED))
    write_json(
        path, {**plain, "command": sys.argv, "started": when, "seconds": time.time() - STARTED}
    )


def _plain(fact: Any) -> Any:
    """Return settings, and what else has fields, as plain data."""
    if isinstance(fact, msgspec.Struct):
        return msgspec.to_builtins(fact)
    return asdict(fact) if is_dataclass(fact) else fact  # type: ignore[arg-type]
