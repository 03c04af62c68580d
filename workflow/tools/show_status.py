"""Print each running stage of an experiment: epoch, samples per second, time left."""

import json
import time
from contextlib import suppress
from pathlib import Path

import find_library  # noqa: F401

from mct.base.errors import UserError
from mct.stage import entry
from mct.stage.progress import FILE, describe

SECONDS_OF_SILENCE = 60


def main() -> None:
    results = entry.options(__doc__, results=Path).results
    if not results.is_dir():
        raise UserError(f"{results}: no such folder; give an experiment's folder of results")
    lines = []
    for path in sorted(results.glob(f"checkpoints/*/*/*/{FILE}")):
        with suppress(FileNotFoundError):  # the stage has just ended
            lines.append(show(path))
    print("\n".join(lines) if lines else f"{results}: no training is running")


def show(path: Path) -> str:
    """Return the line of one stage from its file of progress."""
    state = json.loads(path.read_text())
    dataset, _, run = path.parts[-4:-1]
    job = f", job {state['slurm_job']}" if state["slurm_job"] else ""
    silent = time.time() - state["updated"]
    sign = f"; no progress noted for {silent / 60:.0f} min" if silent > SECONDS_OF_SILENCE else ""
    return f"{dataset} {run}{job}: {describe(state)}{sign}"


if __name__ == "__main__":
    entry.run(main)
