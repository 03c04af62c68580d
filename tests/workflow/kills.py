"""Interrupts a workflow at random moments in many ways, and goes on, until it is done."""

import contextlib
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

SECONDS_TO_END = 60
"""Within this time all processes of a job have ended after one of them was killed."""
SECONDS_OF_OTHERS = 180
"""Snakemake lets other running jobs end before it does."""
SIGNALS = {
    "rank": [signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1, signal.SIGINT],
    "launcher": [signal.SIGKILL, signal.SIGTERM],
    "snakemake": [signal.SIGKILL, signal.SIGTERM],
}
LAUNCHERS = ("mpiexec", "hydra_pmi_proxy")
TIMED = ("scaling",)
"""The table of times."""
PROVENANCE = ("started", "seconds", "command", "hardware")


@dataclass(frozen=True)
class Kill:
    """What was done to a running workflow; `seconds` until the job had ended."""

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
        if any((project / ".snakemake/locks").glob("*")):  # Snakemake itself was killed
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
    began = time.monotonic()
    kind = chance.choice(list(SIGNALS))
    with contextlib.suppress(psutil.TimeoutExpired):
        run.wait(chance.uniform(0, longest))
    jobs, victims = wait_for_victims(run, kind, chance)
    if not victims:
        return None
    number = chance.choice(SIGNALS[kind])
    if kind == "launcher" and number != signal.SIGKILL:
        victims = victims[:1]  # mpiexec: its proxies ignore SIGTERM, and the work goes on
    victim = chance.choice(victims)
    killed = time.monotonic()
    with contextlib.suppress(psutil.NoSuchProcess):
        victim.send_signal(number)
    whole = next((job for job in jobs if victim in job), [])
    _, alive = psutil.wait_procs(whole, timeout=SECONDS_TO_END)
    assert not alive, f"{kind} got {number!r} and {[command_of(p)[:6] for p in alive]} hangs"
    seconds = time.monotonic() - killed
    run.wait(SECONDS_OF_OTHERS)
    return Kill(kind, number.name, killed - began, seconds)


def wait_for_victims(
    run: psutil.Popen, kind: str, chance: random.Random
) -> tuple[list[list[psutil.Process]], list[psutil.Process]]:
    """Return the processes of each job and those of a kind, of which there is at least one.

    None of them if the workflow ends before.
    """
    while run.poll() is None:
        jobs = [[job, *children_of(job)] for job in children_of(run, recursive=False)]
        processes = [process for job in jobs for process in job]
        victims = {
            "snakemake": [run],
            "rank": ranks_of(processes),
            "launcher": launchers_of(processes),
        }
        if victims[kind]:
            return jobs, victims[kind]
        time.sleep(chance.uniform(0, 3))
    return [], []


def children_of(process: psutil.Process, recursive: bool = True) -> list[psutil.Process]:
    try:
        return process.children(recursive=recursive)
    except psutil.NoSuchProcess:
        return []


def ranks_of(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if is_rank(command_of(process))]


def launchers_of(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if any(Path(word).name in LAUNCHERS for word in command_of(p)[:1])]


def is_rank(command: list[str]) -> bool:
    """Return whether a command is that of an MPI rank, not of what launches ranks."""
    return [Path(word).name for word in command[1:2]] == ["start_rank.py"]


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
        if path.suffix in (".safetensors", ".h5", ".tsv", ".md") and path.stem not in TIMED
    ]
    digests = {
        str(p.relative_to(results)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
    }
    for path in sorted(results.glob("evaluation/**/*.json")):
        facts = {
            name: fact
            for name, fact in json.loads(path.read_text()).items()
            if name not in PROVENANCE
        }
        digests[str(path.relative_to(results))] = json.dumps(facts)
    return digests
