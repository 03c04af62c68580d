"""Programs in processes of their own, and what they took."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.shared.conditions import ROOT

WRAPPER = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
code = subprocess.run(json.loads(sys.argv[1]), stdout=subprocess.DEVNULL).returncode
seconds = time.perf_counter() - began
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e3]))
sys.exit(code)
"""
"""Runs a program from a small process, since the peak memory of a child includes its parent's."""


class Spent(NamedTuple):
    """What a program and its children took."""

    seconds: float
    processor_seconds: float
    peak_megabytes: float


def run_measured(
    arguments: Sequence[object], folder: Path = ROOT, environment: Mapping[str, str] | None = None
) -> Spent:
    """Run a program in a folder and return what it took, or end with what it said."""
    program = json.dumps([str(argument) for argument in arguments])
    job = subprocess.run(
        [sys.executable, "-c", WRAPPER, program],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if job.returncode:
        raise SystemExit(f"{' '.join(json.loads(program))} ended:\n{job.stderr}")
    return Spent(*json.loads(job.stdout))
