"""The conditions that each table states: command, commit, machine and versions."""

import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
"""The checkout."""


def describe_conditions(measured: str, launcher: str = "python", device: str = "auto") -> str:
    """Return the caption of a table: what was measured, and on what, by which command and commit.

    `launcher` is what stands before `-m benchmarks...` on the command line.
    """
    found = machine(device)
    gpu = f"{found['gpu']}, " if found["gpu"] else ""
    return (
        f"{measured} Measured on {gpu}{found['processor']}, {found['cores']} cores, "
        f"{found['precision']}; {describe_versions()}; commit {commit()}. `{command(launcher)}`"
    )


def machine(device: str = "auto") -> dict[str, Any]:
    """Return what this process runs on."""
    # Imported here, so that a program that uses no torch stays small and starts at once.
    from mct.stage.compute import choose_compute, hardware
    from mct.stage.settings import ExecutionSettings

    return hardware(choose_compute("auto", ExecutionSettings(device=device)))


def describe_versions() -> str:
    """Return the versions of the libraries that results depend on."""
    from mct.stage.compute import versions

    return ", ".join(f"{name} {number}" for name, number in versions().items())


def command(launcher: str = "python") -> str:
    """Return the command line of this process, as it is typed in the checkout."""
    spec = sys.modules["__main__"].__spec__
    program = f"-m {spec.name}" if spec else sys.argv[0]
    return " ".join([launcher, program, *sys.argv[1:]])


def commit(checkout: Path = ROOT) -> str:
    """Return the commit of a checkout, marked where files differ from it."""
    git = ["git", "-C", str(checkout), "describe", "--always", "--dirty"]
    return subprocess.run(git, check=False, capture_output=True, text=True).stdout.strip()
