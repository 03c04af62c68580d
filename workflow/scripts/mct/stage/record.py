"""The record beside a result: what made it, on what, with which settings and in what time."""

import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from mct.base.files import write_json
from mct.stage.compute import Compute, hardware, versions
from mct.stage.progress import Progress

STARTED = time.time()


def training_record(
    settings: Any, ranks: int, compute: Compute, progress: Progress, samples_seen: int
) -> dict[str, Any]:
    """Return what stands beside a training's result; `samples_seen` counts those of one model."""
    return {
        "settings": settings,
        "ranks": ranks,
        "samples_seen": samples_seen,
        "hardware": hardware(compute),
        "versions": versions(),
        **progress.summary(),
    }


def write_record(path: Path, facts: dict[str, Any]) -> None:
    """Write the record of a result: facts, settings as plain data, the command and its time."""
    plain = {**facts, "settings": msgspec.to_builtins(facts.get("settings"))}
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(STARTED))
    write_json(
        path, {**plain, "command": sys.argv, "started": when, "seconds": time.time() - STARTED}
    )
