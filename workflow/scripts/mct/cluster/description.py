"""A cluster's queues as a file of partitions, from what Slurm's own commands say of it.

Python's library is all that this needs: the file can be written before the environment is made.
"""

import math
import re
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from mct.base.errors import UserError, preview

SINFO = ("sinfo", "--noheader", "--exact", "--all", "--format=%R|%D|%c|%m|%G")
PARTITIONS = ("scontrol", "--all", "--oneliner", "show", "partition")
CONFIG = ("scontrol", "show", "config")
SERIAL = {"max_nodes": 1, "max_tasks": 1, "max_mpi_tasks": 0}
"""The limits of a queue that is for jobs of one process."""
HEADER = """\
# Queues of this cluster, as sinfo and scontrol describe them; written by workflow/tools/describe_cluster.py.
# Limits of accounts and of qualities of service are not among them: lower these where yours are less.
"""


@dataclass(frozen=True)
class Nodes:
    """Nodes of a queue that are alike."""

    count: int
    cores: int
    memory_mb: int
    gpus: int

    def hold(self, other: "Nodes") -> bool:
        """Return whether each of these nodes has all that one of the others has."""
        return (
            self.cores >= other.cores
            and self.memory_mb >= other.memory_mb
            and self.gpus >= other.gpus
        )


def describe(
    nodes: str, partitions: str, config: str, chosen: Sequence[str], serial: Collection[str]
) -> str:
    """Return the file of partitions from the output of `SINFO`, `PARTITIONS` and `CONFIG`.

    `chosen` are the queues to describe, all that are up if empty; `serial` are those for jobs of one
    process only.
    """
    found = {entry["PartitionName"]: entry for entry in map(read_pairs, partitions.splitlines())}
    kinds = read_nodes(nodes)
    if unknown := [name for name in (*chosen, *serial) if name not in found]:
        raise UserError(f"no such queue: {preview(unknown)}; there are {', '.join(found)}")
    up = [name for name in found if found[name].get("State") == "UP" and name in kinds]
    lines = [HEADER + "partitions:"]
    for name in chosen or up:
        if name not in kinds:
            raise UserError(f"queue {name} has no nodes")
        limits = find_limits(found[name], kinds[name], read_pairs(config))
        lines.append(f"  {name}:")
        given = {**limits, **(SERIAL if name in serial else {})}
        lines += [f"    {key}: {value}" for key, value in given.items()]
    return "\n".join(lines) + "\n"


def read_pairs(text: str) -> dict[str, str]:
    """Return what Slurm prints as `Name=value` or `Name = value`."""
    return dict(re.findall(r"(\w+)\s*=\s*(\S*)", text))


def read_nodes(text: str) -> dict[str, list[Nodes]]:
    """Return the kinds of nodes of each queue."""
    kinds: dict[str, list[Nodes]] = {}
    for line in text.splitlines():
        queue, count, cores, memory, resources = line.split("|")
        kind = Nodes(int(count), int(cores), int(memory), count_gpus(resources))
        kinds.setdefault(queue, []).append(kind)
    return kinds


def count_gpus(resources: str) -> int:
    """Return the GPUs of a node: 6 of `gpu:a100:4(S:0-1),gpu:2,license:1`."""
    entries = re.sub(r"\([^)]*\)", "", resources).split(",")
    fields = [entry.split(":") for entry in entries if re.match(r"gpu(:|$)", entry)]
    return sum(int(words[-1]) if words[-1].isdigit() else 1 for words in fields)


def find_limits(
    partition: Mapping[str, str], kinds: Sequence[Nodes], config: Mapping[str, str]
) -> dict[str, int]:
    """Return the limits of a queue: its own, and what those nodes give that give the most.

    A plan counts on nodes that are alike. Of a queue whose nodes differ these are the nodes with the
    most GPUs, or cores, together; larger ones count as if they were of that size.
    """
    alike = (replace(kind, count=sum(n.count for n in kinds if n.hold(kind))) for kind in kinds)
    node = max(alike, key=lambda nodes: (nodes.count * nodes.gpus, nodes.count * nodes.cores))
    count = min(node.count, limit(partition, "MaxNodes"))
    cores = min(node.cores, limit(partition, "MaxCPUsPerNode"))
    per_core = min(
        node.memory_mb / node.cores,
        *(limit(each, "MaxMemPerCPU") for each in (partition, config)),
        *(limit(each, "MaxMemPerNode") / node.cores for each in (partition, config)),
    )
    time = minutes(partition.get("MaxTime", "UNLIMITED"))
    return {
        **({"max_runtime": int(time)} if time < math.inf else {}),
        "max_nodes": int(count),
        "max_tasks": int(count * cores),
        "max_cpus_per_task": int(cores),
        "max_mem_mb_per_cpu": int(per_core),
        **({"max_gpu": int(count * node.gpus)} if node.gpus else {}),
    }


def limit(pairs: Mapping[str, str], name: str) -> float:
    """Return a number that Slurm names, infinity where it sets no limit."""
    value = pairs.get(name, "")
    return int(value) if value.isdigit() and value != "0" else math.inf


def minutes(text: str) -> float:
    """Return a time as Slurm prints it, such as 2-12:00:00, in minutes."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", text)
    if found is None:
        return math.inf  # UNLIMITED
    days, hours, whole, seconds = (int(part or 0) for part in found.groups())
    return (days * 24 + hours) * 60 + whole + seconds // 60


def ask(command: Sequence[str]) -> str:
    """Return what one of Slurm's commands prints; UserError if it cannot."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except OSError as error:
        raise UserError(
            f"{command[0]}: {error.strerror}; start this where Slurm's commands are"
        ) from error
    except subprocess.CalledProcessError as error:
        raise UserError(f"{' '.join(command)}: {error.stderr.strip()}") from error
