"""The record beside a result: what made it, on what, with which settings and in what time."""

import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from mct.base.files import write_json

STARTED = time.time()


def write_record(path: Path, facts: dict[str, Any]) -> None:
    """Write the record of a result: facts, settings as plain data, the command and its time."""
    plain = {
        name: msgspec.to_builtins(fact) if isinstance(fact, msgspec.Struct) else fact
        for name, fact in facts.items()
    }
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(STARTED))
    run = {"command": sys.argv, "started": when, "seconds": time.time() - STARTED}
    write_json(path, plain | run)
