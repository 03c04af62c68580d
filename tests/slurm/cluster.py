"""A Slurm cluster on one machine: four nodes of four core groups, with accounting.

    python tests/slurm/cluster.py up | down | status  [--folder DIR]

It owns a private folder, the processes that carry its mark in their environment, and the link
/etc/slurm/slurm.conf. Each node lives in name spaces of its own (host name, processes, mounts,
shared memory): it loses all of them at once, like a machine that loses power, and its ranks reach
those of another node through TCP only. It refuses to run without root, and installs nothing.
"""

import argparse
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from string import Template

from slurm_daemons import (
    HERE,
    NODES,
    PORTS,
    ClusterError,
    UnfitMachineError,
    daemons,
    end,
    launch,
    log_tail,
    processes,
    running,
    slurmd,
    start,
    wait,
)

FOLDER = Path("/tmp/mct-cluster")
TEMPLATES = ("slurm.conf", "slurmdbd.conf", "mariadb.cnf")
PARTITIONS = "partitions.yaml"
"""The file in the folder that describes the queues for the workflow, without those of the tests."""
CONTENTS = {
    "run", "log", "state", "spool", "mariadb", "munge.key", "epilog.sh", PARTITIONS, *TEMPLATES,
}  # fmt: skip
DESCRIBE = HERE.parents[1] / "workflow/tools/describe_cluster.py"
QUEUES = ("q_sw_expr", "q_sw_share", "q_x86_share")
SITE_CONF = Path("/etc/slurm/slurm.conf")
SITE_CONF_BEFORE = SITE_CONF.with_name("slurm.conf.before-mct-cluster")

WORKING = {"idle", "mixed", "allocated", "completing", "planned", "reserved"}
"""The states of a node that takes jobs."""
STAGES = (("munged", "mariadbd"), ("slurmdbd",), ("slurmctld", *NODES))
"""All daemons: those of a stage start together, once the stage before answers."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder: of two processes that bring a cluster up, the second waits."""
    folder.mkdir(mode=0o755, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(handle).st_uid != os.geteuid():
            raise ClusterError(f"{folder} belongs to another user")
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def build(folder: Path) -> None:
    """Write the files of a new cluster."""
    for name in ("run", "log", "state", *(f"spool/{node}" for node in NODES)):
        (folder / name).mkdir(parents=True)
    shutil.copy(HERE / "epilog.sh", folder)
    for name in ("munge.key", *TEMPLATES):
        (folder / name).touch(0o600)
    for name in TEMPLATES:
        template = Template((HERE / f"{name}.in").read_text())
        (folder / name).write_text(template.substitute(PORTS, folder=folder))
    (folder / "munge.key").write_bytes(os.urandom(128))
    install = ("mariadb-install-db", f"--defaults-file={folder}/mariadb.cnf", "--skip-test-db")
    if launch(folder, "mariadbd", install):
        raise ClusterError(f"mariadb-install-db fails\n{log_tail(folder, 'mariadbd')}")


def clear(folder: Path, keep: str = "") -> None:
    """Remove what `build` and the daemons wrote, except one name; refuse a folder with more."""
    names = {path.name for path in folder.iterdir()}
    if foreign := names - CONTENTS:
        raise ClusterError(f"{folder} holds {min(foreign)}: a cluster needs a folder of its own")
    for path in (folder / name for name in names - {keep}):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def link_site_conf(folder: Path) -> None:
    """Let Slurm's commands find this cluster; put aside what they found before."""
    if not is_linked(folder):
        if os.path.lexists(SITE_CONF):
            SITE_CONF.rename(SITE_CONF_BEFORE)
        SITE_CONF.symlink_to(folder / "slurm.conf")


def unlink_site_conf(folder: Path) -> None:
    if is_linked(folder):
        SITE_CONF.unlink()
        if os.path.lexists(SITE_CONF_BEFORE):
            SITE_CONF_BEFORE.rename(SITE_CONF)


def is_linked(folder: Path) -> bool:
    return SITE_CONF.is_symlink() and SITE_CONF.readlink() == folder / "slurm.conf"


def find_trouble(folder: Path) -> str:
    """Say what keeps the cluster from taking jobs, or nothing."""
    if missing := daemons(folder).keys() - running(folder):
        return f"{min(missing)} does not run"
    try:
        ask(folder, "sacct", "--noheader")
        return find_node_trouble(folder, NODES)
    except ClusterError as error:
        return str(error)


def find_node_trouble(folder: Path, nodes: Iterable[str]) -> str:
    states = node_states(folder)
    return next((f"{node} is {states[node]}" for node in nodes if states[node] not in WORKING), "")


def ask(folder: Path, *command: str) -> str:
    """Return what a command prints that asks Slurm; it gives up by itself on a daemon."""
    environment = os.environ | {"SLURM_CONF": f"{folder}/slurm.conf"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        daemon = "slurmdbd" if command[0] == "sacct" else "slurmctld"
        raise ClusterError(f"{daemon} refuses {' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


# For tests. Signals and times are those of a real cluster, only shorter: see slurm.conf.in.


def partitions(folder: Path = FOLDER) -> Path:
    """Return the file that describes the cluster's queues for the workflow."""
    return folder / PARTITIONS


def is_up(folder: Path = FOLDER) -> bool:
    """Tell whether every daemon runs, every node takes jobs, and accounting answers."""
    return is_linked(folder) and not find_trouble(folder)


def node_names() -> tuple[str, ...]:
    return tuple(NODES)


def node_states(folder: Path = FOLDER) -> dict[str, str]:
    """Return each node's state: idle, mixed, allocated, down, ...; "*": it does not respond."""
    lines = ask(folder, "sinfo", "--noheader", "--Node", "--format=%N %T").splitlines()
    return dict(line.split() for line in lines)


def kill_node(node: str, folder: Path = FOLDER) -> None:
    """Cut a node's power. The controller notices after some 45 seconds, or by `mark_down`."""
    end(folder, known(node))


def kill_slurmd(node: str, folder: Path = FOLDER) -> None:
    """Kill a node's slurmd alone; its jobs run on."""
    end(folder, known(node), "slurmd")


def mark_down(node: str, folder: Path = FOLDER) -> None:
    """Tell the controller that a node is down, so that its jobs return to their queue."""
    ask(folder, "scontrol", "update", f"NodeName={known(node)}", "State=DOWN", "Reason=test")


def start_node(node: str, folder: Path = FOLDER) -> None:
    """Start a killed node, or the slurmd that it lost; return when it takes jobs."""
    first = [process.pid for process in processes(folder, known(node), "node.sh")]
    start(folder, [slurmd(folder, node, *first)])
    wait(folder, partial(find_node_trouble, folder, [node]))


def known(node: str) -> str:
    if node not in NODES:
        raise ValueError(f"unknown node {node!r}: expected one of {', '.join(NODES)}")
    return node


def stop_controller(how: int = signal.SIGTERM, folder: Path = FOLDER) -> None:
    """End slurmctld: with SIGTERM it saves its state first. Jobs run on."""
    end(folder, "slurmctld", how=how)


def restart_controller(how: int = signal.SIGTERM, folder: Path = FOLDER) -> None:
    """End slurmctld, if it runs, and start it; return when it has found the living nodes."""
    stop_controller(how, folder)
    start(folder, [daemons(folder)["slurmctld"]])
    wait(folder, partial(find_node_trouble, folder, running(folder) & set(NODES)))


def up(folder: Path = FOLDER) -> None:
    """Bring a cluster up, or what is missing of it, and describe it; return when it takes jobs."""
    check_root()
    if is_up(folder) and partitions(folder).is_file():
        return
    check_packages()
    check_alone(folder)
    with locked(folder):
        if not processes(folder):
            clear(folder)
            build(folder)
        link_site_conf(folder)
        for stage in STAGES:
            start(folder, [daemons(folder)[name] for name in stage])
        wait(folder, partial(find_trouble, folder))
        describe(folder)


def describe(folder: Path) -> None:
    """Write the file of queues that the workflow plans with."""
    output = ("--output", str(partitions(folder)))
    ask(folder, sys.executable, str(DESCRIBE), *output, "--queues", *QUEUES, "--serial", QUEUES[-1])


def down(folder: Path = FOLDER) -> None:
    """End everything that `up` started, and leave nothing but the logs."""
    check_root()
    with locked(folder):
        end(folder)
        unlink_site_conf(folder)
        clear(folder, keep="log")


def status(folder: Path = FOLDER) -> bool:
    """Print the state of each daemon; tell whether the cluster is up."""
    check_root()
    present = running(folder)
    states = node_states(folder) if {"munged", "slurmctld"} <= present else {}
    for name in daemons(folder):
        print(f"{name:<10}", states.get(name, "runs") if name in present else "-")
    return is_up(folder)


def check_root() -> None:
    if os.geteuid():
        raise UnfitMachineError("a cluster needs root, for name spaces and mounts")


def check_packages() -> None:
    packages = (HERE / "packages.txt").read_text().split()
    query = ("dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *packages)
    found = ""
    with suppress(FileNotFoundError):  # no Debian
        found = subprocess.run(query, capture_output=True, text=True).stdout
    if missing := [name for name in packages if f"{name} installed" not in found.splitlines()]:
        remedy = f"apt-get install --no-install-recommends {' '.join(missing)}"
        raise UnfitMachineError(f"packages are missing: {remedy}")


def check_alone(folder: Path) -> None:
    if SITE_CONF.is_symlink():
        other = SITE_CONF.readlink().parent
        if other != folder and processes(other):
            raise ClusterError(f"a cluster runs in {other}: take it down first")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = {"up": up, "down": down, "status": status}
    parser.add_argument("command", choices=commands)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="default: %(default)s")
    options = parser.parse_args()
    try:
        result = commands[options.command](options.folder.absolute())
    except ClusterError as error:
        print(f"cluster.py: {error}", file=sys.stderr)
        return 2 if isinstance(error, UnfitMachineError) else 1
    return int(result is False)


if __name__ == "__main__":
    sys.exit(main())
