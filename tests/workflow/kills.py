"""Interrupts a workflow at random moments in many ways, and goes on, until it is done."""

import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

SECONDS_TO_END = 10
"""Within this time everything has ended after a part of it was killed."""
LAUNCHERS = ("mpiexec", "hydra_pmi_proxy")
TIMES = ("started", "seconds", "command")


@dataclass(frozen=True)
class Kill:
    """What was done to a running workflow; `seconds` until it had ended."""

    victim: str
    signal: str
    after: float
    seconds: float


def snakemake_command(config: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", config, *options]


def finish_through_kills(
    project: Path, config: str, kills: int, seed: int, longest: float
) -> Iterator[Kill]:
    """Run a workflow and kill it `kills` times at random moments, then let it end.

    Yields what was done; raises AssertionError if something hangs. A workflow that ends before it
    is killed begins again from nothing.
    """
    chance = random.Random(seed)
    command = snakemake_command(config, "--rerun-incomplete")
    while kills:
        run = psutil.Popen(
            command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        kill = interrupt(run, chance, longest)
        unlock = snakemake_command(config, "--unlock")
        subprocess.run(unlock, cwd=project, capture_output=True, check=True)
        if kill is None:
            subprocess.run(
                [*command, "--delete-all-output"], cwd=project, capture_output=True, check=True
            )
            continue
        kills -= 1
        yield kill
    run = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def interrupt(run: psutil.Popen, chance: random.Random, longest: float) -> Kill | None:
    """Kill something of a running workflow and wait for its end; None if it ended by itself."""
    delay = chance.uniform(0, longest)
    began = time.monotonic()
    try:
        run.wait(delay)
        return None
    except psutil.TimeoutExpired:
        pass
    processes = run.children(recursive=True)
    kinds = {"snakemake": [run], "rank": ranks_of(processes), "launcher": launchers_of(processes)}
    kind = chance.choice([name for name, members in kinds.items() if members])
    number = chance.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1] if kind == "rank" else
                           [signal.SIGKILL, signal.SIGTERM])  # fmt: skip
    try:
        chance.choice(kinds[kind]).send_signal(number)
    except psutil.NoSuchProcess:
        number = signal.SIGKILL
        run.kill()
    killed = time.monotonic()
    try:
        run.wait(SECONDS_TO_END * (3 if number == signal.SIGTERM and kind == "snakemake" else 1))
    except psutil.TimeoutExpired:
        alive = [process.cmdline()[:6] for process in processes if process.is_running()]
        raise AssertionError(
            f"{kind} got {number!r} after {delay:.1f} s and it hangs: {alive}"
        ) from None
    return Kill(kind, number.name, killed - began, time.monotonic() - killed)


def ranks_of(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if "mpi4py" in command_of(process)]


def launchers_of(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if any(Path(word).name in LAUNCHERS for word in command_of(p)[:1])]


def command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def results_digest(results: Path) -> dict[str, str]:
    """Return the SHA-256 of every result, without times and hosts."""
    files = [
        path
        for path in sorted(results.rglob("*"))
        if path.suffix in (".safetensors", ".h5", ".tsv", ".md")
    ]
    digests = {
        str(p.relative_to(results)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
    }
    for path in sorted(results.glob("evaluation/**/*.json")):
        facts = {
            name: fact for name, fact in json.loads(path.read_text()).items() if name not in TIMES
        }
        digests[str(path.relative_to(results))] = json.dumps(facts)
    return digests
