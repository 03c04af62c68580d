"""The daemons of the cluster that `cluster.py` brings up: their commands, processes and logs.

A daemon's processes carry a mark in their environment, so that none outlives the cluster unseen.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from subprocess import DEVNULL
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
NODES = ("sw1", "sw2", "sw3", "sw4")
PORTS = dict(zip(("slurmctld", "slurmdbd", *NODES), range(26817, 26823), strict=True))
MARK = "MCT_CLUSTER_DAEMON"
"""The environment variable FOLDER/DAEMON of every process that a daemon consists of."""
WAIT_SECONDS = 120


class ClusterError(RuntimeError):
    """A part of the cluster does not do what it should."""


class UnfitMachineError(ClusterError):
    """The machine lacks what a cluster needs."""


class Daemon(NamedTuple):
    """A program in the background."""

    name: str
    """Its program's name, or the node's name for slurmd."""
    command: Sequence[str | Path]
    """It returns when the daemon is in the background."""
    address: str | tuple[str, int]
    """The Unix socket or the TCP port where it answers."""


def daemons(folder: Path) -> dict[str, Daemon]:
    """Return all daemons by name."""
    munge = {"key-file": "munge.key", "socket": "run/munge.socket", "pid-file": "run/munged.pid"}
    munge |= {"seed-file": "run/munged.seed", "log-file": "log/munged.log"}
    munged = ("munged", *(f"--{option}={folder / path}" for option, path in munge.items()))
    mariadbd = ("setsid", "--fork", "mariadbd", f"--defaults-file={folder}/mariadb.cnf")
    slurmctld = ("slurmctld", "-f", folder / "slurm.conf")
    table = (
        Daemon("munged", munged, f"{folder}/run/munge.socket"),
        Daemon("mariadbd", mariadbd, f"{folder}/run/mariadb.socket"),
        Daemon("slurmdbd", ("slurmdbd",), ("127.0.0.1", PORTS["slurmdbd"])),
        Daemon("slurmctld", slurmctld, ("127.0.0.1", PORTS["slurmctld"])),
        *(slurmd(folder, node) for node in NODES),
    )
    return {daemon.name: daemon for daemon in table}


def slurmd(folder: Path, node: str, first_pid: int = 0) -> Daemon:
    """Return the slurmd of a new node, or of a living one: `first_pid` is its first process."""
    new = ("setsid", "--fork", "unshare", "--fork", "--mount-proc", "--propagation=slave")
    old = ("nsenter", f"--target={first_pid}", "--mount")
    spaces = ("--uts", "--ipc", "--pid")
    before = (*old, *spaces) if first_pid else (*new, *spaces, HERE / "node.sh", node)
    command = (*before, "slurmd", "-N", node, "-f", folder / "slurm.conf")
    return Daemon(node, command, ("127.0.0.1", PORTS[node]))


class Process(NamedTuple):
    """A living process that carries a cluster's mark."""

    pid: int
    program: str
    daemon: str


def processes(folder: Path, daemon: str = "", program: str = "") -> list[Process]:
    """Return the processes of a cluster: all, or one daemon's, or those that run a program."""
    mark = f"{MARK}={folder}/".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            variables = (entry / "environ").read_bytes().split(b"\0")
            marks = [it.removeprefix(mark).decode() for it in variables if it.startswith(mark)]
            stat = (entry / "stat").read_text(errors="replace")  # number (command) state ...
            command, state = stat.partition("(")[2].rsplit(") ", 1)
            if marks and state[0] not in "ZX":  # a zombie that nobody reaps is dead
                found.append(Process(int(entry.name), command, marks[0]))
    return [it for it in found if daemon in ("", it.daemon) and program in ("", it.program)]


def running(folder: Path) -> set[str]:
    """Return the names of the daemons that run."""
    return {it.daemon for it in processes(folder) if it.program in (it.daemon, "slurmd")}


def start(folder: Path, wanted: Iterable[Daemon]) -> None:
    """Start those daemons that do not run, together, and return when each answers."""
    present = running(folder)
    missing = [daemon for daemon in wanted if daemon.name not in present]
    for daemon in missing:
        launch(folder, daemon.name, daemon.command)
    for daemon in missing:
        wait(folder, partial(find_silence, folder, daemon))


def launch(folder: Path, name: str, command: Sequence[str | Path]) -> int:
    """Run a daemon's command, marked, with its output in its log; return its exit code."""
    environment = os.environ | {
        MARK: f"{folder}/{name}",
        "SLURM_CONF": f"{folder}/slurm.conf",
        "MYSQL_UNIX_PORT": f"{folder}/run/mariadb.socket",
    }
    with (folder / f"log/{name}.log").open("ab") as log:
        done = subprocess.run(command, env=environment, stdin=DEVNULL, stdout=log, stderr=log)
    return done.returncode


def find_silence(folder: Path, daemon: Daemon) -> str:
    """Say that a daemon does not answer yet, or nothing."""
    # Look twice: on its way to the background a daemon turns into another process.
    if not (processes(folder, daemon.name) or processes(folder, daemon.name)):
        raise ClusterError(f"{daemon.name} does not start\n{log_tail(folder, daemon.name)}")
    family = socket.AF_UNIX if isinstance(daemon.address, str) else socket.AF_INET
    with suppress(OSError), socket.socket(family) as client:
        client.connect(daemon.address)
        return ""
    return f"{daemon.name} does not answer"


def end(folder: Path, daemon: str = "", program: str = "", how: int = signal.SIGKILL) -> None:
    """Signal the processes that `processes` finds, once each, and return when it finds none."""
    signalled: set[int] = set()

    def find_survivor() -> str:
        left = {process.pid: process.daemon for process in processes(folder, daemon, program)}
        for pid in left.keys() - signalled:
            with suppress(ProcessLookupError):
                os.kill(pid, how)
        signalled.update(left)
        return next((f"{name} does not end" for name in left.values()), "")

    wait(folder, find_survivor)


def wait(folder: Path, find_trouble: Callable[[], str]) -> None:
    """Return when no trouble is found; a trouble is a line that begins with a daemon's name."""
    deadline = time.monotonic() + WAIT_SECONDS
    while trouble := find_trouble():
        if time.monotonic() > deadline:
            raise ClusterError(f"{trouble}\n{log_tail(folder, trouble.split()[0])}")
        time.sleep(0.05)


def log_tail(folder: Path, daemon: str) -> str:
    path = folder / f"log/{daemon}.log"
    return "\n".join([f"The end of {path}:", *path.read_text(errors="replace").splitlines()[-15:]])
