"""The record beside a result: what made it, on what, with which settings and in what time."""

import sys
import time
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from mct.base.files import write_json

STARTED = time.time()


def write_record(path: Path, facts: dict[str, Any]) -> None:
    """Write the record of a result: facts, settings as plain data, the command and its time."""
    plain = {name: asdict(fact) if is_dataclass(fact) else fact for name, fact in facts.items()}  # type: ignore[arg-type]
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(STARTED))
    write_json(
        path, {**plain, "command": sys.argv, "started": when, "seconds": time.time() - STARTED}
    )
