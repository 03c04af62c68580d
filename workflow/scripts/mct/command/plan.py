"""The plan of a configuration, as Snakemake makes it in a dry run."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from mct.base.errors import UserError
from mct.experiment.experiment import SCRIPTS

SNAKEFILE = SCRIPTS.parents[1] / "Snakefile"
TOTAL, ERROR = "total: ", "error: "
WORK = re.compile(r"total: ([\d.,]+) core hours of work")


def snakemake(config: Path, words: Sequence[str]) -> list[str]:
    """Return the command that runs the workflow of this checkout with a configuration."""
    program = Path(sys.executable).with_name("snakemake")
    start = [str(program)] if program.is_file() else [sys.executable, "-m", "snakemake"]
    return [*start, *_options(config, words)]


def start_words(cores: int) -> list[str]:
    """Return the words that run it here: progress and the result, not each job's files and resources."""
    return ["--cores", str(cores), "--quiet", "rules"]


def shown(config: Path, words: Sequence[str]) -> str:
    """Return that command as a user types it."""
    return shlex.join(["snakemake", *_options(config, words)])


def _options(config: Path, words: Sequence[str]) -> list[str]:
    """Return words with the Snakefile, where it is not that of this folder, and the configuration."""
    own = [] if Path("Snakefile").resolve() == SNAKEFILE else ["-s", str(SNAKEFILE)]
    return [*words, *own, "--configfile", str(config)]


def read_plan(config: Path, cores: int, queues: Sequence[str] = ()) -> list[str]:
    """Return the table and the total under a dry run; nothing where all is done.

    UserError with the workflow's own line where it refuses the configuration.
    """
    if not os.access(".", os.W_OK):
        raise UserError(f"{Path.cwd()}: cannot be written; call mct in a folder of yours")
    words = ["-n", "--cores", str(cores), *queues]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        snakemake(config, words), capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith(ERROR)]
        lines = lines or [line for line in done.stderr.splitlines() if "Error" in line]
        again = f"the dry run failed; `{shown(config, words)}` shows why"
        raise UserError(lines[-1].removeprefix(ERROR) if lines else again)
    for line in done.stderr.splitlines():
        if line.startswith(("warning: ", "note: ")):
            print(line, file=sys.stderr)
    lines = done.stdout.splitlines()
    ends = [number for number, line in enumerate(lines) if line.startswith(TOTAL)]
    if not ends:
        return []
    start = ends[-1]
    while start and lines[start - 1].strip() and not lines[start - 1].startswith("This was"):
        start -= 1
    return lines[start : ends[-1] + 1]


def duration(plan: Sequence[str], cores: int) -> list[str]:
    """Return how long a plan for this machine takes, as a line; nothing for another plan.

    Most processors are several times as fast as `execution.gigaflops_per_thread` says by default.
    """
    found = WORK.match(plan[-1]) if plan else None
    if not found:
        return []
    minutes = 60 * float(found[1].replace(",", "")) / cores
    text = f"{minutes:.0f} minutes" if minutes < 100 else f"{minutes / 60:.1f} hours"
    return [f"planned: at most about {text} on {cores} cores, the starts of programs not counted"]
