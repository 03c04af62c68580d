"""The queues of a cluster and what fits into them, from the Slurm plugin's file of partitions.

The plugin's own class holds the limits of a queue and reads times; what the plugin would fail at is
refused here in a line. Without such a file (a local run) there are no limits.
"""

import math
import os
from collections.abc import Mapping, Sequence
from contextlib import chdir, redirect_stderr, suppress
from dataclasses import dataclass, field, fields
from io import StringIO
from pathlib import Path
from typing import Any

from snakemake_executor_plugin_slurm.partitions import PartitionLimits
from snakemake_interface_common.exceptions import WorkflowError

from mct.base.errors import UserError
from mct.base.texts import nearest
from mct.base.yaml_files import read_yaml

CORE_GROUPS = (1, 2, 4)
"""Cores that a rank may take for their memory: Sunway's "large shared memory" mode."""
LIMITS = {
    "nodes": "max_nodes",
    "tasks": "max_tasks",
    "mpi_tasks": "max_mpi_tasks",
    "cpus_per_task": "max_cpus_per_task",
    "cpus_per_gpu": "max_cpus_per_gpu",
    "threads": "max_threads",
    "mem_mb_per_cpu": "max_mem_mb_per_cpu",
    "mem_mb": "max_mem_mb",
    "gpu": "max_gpu",
    "runtime": "max_runtime",
}
"""A resource of a job and its limit in the file of partitions; time is named where all else fits."""
PER_NODE = ("max_cpus_per_task", "max_threads", "max_tasks_per_node", "max_gpu")
"""The limits that say what a node holds."""
OFFERS = {"gpu_model": "available_gpu_models", "constraint": "available_constraints"}
"""What a job may name, and the list of what a queue has."""
CLUSTERS = ("cluster", "slurm_cluster", "clusters")
DEFAULTS = {limit.name: limit.default for limit in fields(PartitionLimits)}
"""Every limit that the plugin knows; any other ends its submission."""
NUMBER = ((int, float), "a number")
KINDS = {bool: (bool, "true or false"), type(None): (list, "a list")}
"""By the type of a default, the type of the limit where that is no number, and its name."""
VARIABLE = "SNAKEMAKE_SLURM_PARTITIONS"
UNITS = {"runtime": "minutes", "mem_mb_per_cpu": "MB", "mem_mb": "MB"}


@dataclass(frozen=True)
class Queue:
    """A partition and its limits: infinity for one that is left out, but no GPUs."""

    name: str
    limits: PartitionLimits = field(default_factory=PartitionLimits)

    def limit(self, name: str) -> float:
        """Return a limit by its name in the file."""
        return float(getattr(self.limits, name))

    @property
    def gpus(self) -> int:
        """Return how many GPUs a job may ask for."""
        return int(self.limits.max_gpu)

    @property
    def cores_per_node(self) -> float:
        """Return the most cores that one task, hence one node, can give."""
        return max(1, min(self.limit("max_cpus_per_task"), self.limit("max_threads")))

    @property
    def memory_per_core(self) -> float:
        """Return the most memory that is given for a core, in MB."""
        return max(1, self.limit("max_mem_mb_per_cpu"))

    @property
    def node(self) -> tuple[float, float, float]:
        """Return what a node holds: cores, tasks and its share of the queue's GPUs."""
        gpus = self.gpus / max(1, self.limit("max_nodes")) or math.inf
        return self.cores_per_node, self.limit("max_tasks_per_node"), gpus

    def memory_of(self, cores: float) -> float:
        """Return the most memory of a job of one task with so many cores, in MB."""
        return min(cores * self.memory_per_core, self.limit("max_mem_mb"))

    def rank_cores(self, threads: int, memory_mb: float) -> int:
        """Return the cores of a rank: its threads, and as many as its memory needs.

        More memory than a core has is found with 2 or 4 cores of the node (core groups).
        """
        least = next((n for n in CORE_GROUPS if n * self.memory_per_core >= memory_mb), None)
        return max(threads, least or math.ceil(memory_mb / self.memory_per_core))

    def nodes(self, tasks: int, cpus_per_task: int, gpus: int = 0) -> int:
        """Return the fewest nodes that hold a job's tasks and give it its GPUs."""
        cores, most_tasks, most_gpus = self.node
        each = min(cores / cpus_per_task, most_tasks)
        for_tasks = 1 if math.isinf(each) else math.ceil(tasks / max(1, math.floor(each)))
        return max(for_tasks, math.ceil(gpus / most_gpus))

    def excess(self, demand: Mapping[str, Any], *, but_for: str = "") -> str | None:
        """Return the first limit that a job's resources exceed, as a phrase, or None."""
        if demand.get("mpi") and not self.limits.supports_mpi:
            return "takes no MPI job"
        for resource, name in OFFERS.items():
            named, offered = demand.get(resource), getattr(self.limits, name)
            if named and offered and not set(str(named).split(",")) <= set(offered):
                return f"has {name} = {offered}, asked {named}"
        amounts = count_cores(demand)
        for resource, name in LIMITS.items():
            asked = None if resource == but_for else amounts.get(resource)
            if isinstance(asked, int | float) and asked > self.limit(name):
                unit = f" {UNITS[resource]}" if resource in UNITS else ""
                return f"gives at most {name} = {self.limit(name):.9g}{unit}, asked {asked:.9g}"
        return self._shortage(demand)

    def _shortage(self, demand: Mapping[str, Any]) -> str | None:
        """Return, as a phrase, that a job's tasks need more nodes than it asks for, or None."""
        tasks, cpus = demand.get("tasks", 1), demand.get("cpus_per_task", 1)
        needed = self.nodes(tasks, cpus, demand.get("gpu") or 0)
        asked = demand.get("nodes", needed)
        if needed <= asked:
            return None
        limits = {name: getattr(self.limits, name) for name in PER_NODE}
        given = [f"{name} = {value}" for name, value in limits.items() if value != DEFAULTS[name]]
        return f"needs {needed} nodes for it ({', '.join(given)}), asked {asked}"


def count_cores(demand: Mapping[str, Any]) -> dict[str, Any]:
    """Return a job's resources with the cores per GPU, and at least as many threads as a task's cores.

    The Slurm plugin compares both, the threads of a rule and the cores of a task, with `max_threads`.
    """
    cores, gpus = demand.get("cpus_per_task") or 1, demand.get("gpu")
    each = {"cpus_per_gpu": cores * demand.get("tasks", 1) / gpus} if gpus else {}
    return {**demand, **each, "threads": max(cores, demand.get("threads", 0))}


class Site:
    """A cluster's queues, or a machine without any."""

    def __init__(self, queues: Mapping[str, Queue], source: str = "") -> None:
        self._queues, self._source = queues, source

    @property
    def is_cluster(self) -> bool:
        """Return whether there are queues."""
        return bool(self._queues)

    @property
    def queues(self) -> Sequence[Queue]:
        """Return the queues, in the order of the file; one without limits where there is none."""
        return tuple(self._queues.values()) or (Queue(""),)

    def for_ranks(self) -> "Site":
        """Return the site with those queues only that take ranks: with GPUs where there are any."""
        chosen = {
            name: queue
            for name, queue in self._queues.items()
            if queue.limit("max_mpi_tasks") and (queue.gpus or not self.has_gpus)
        }
        return Site(chosen or self._queues, self._source)

    @property
    def has_gpus(self) -> bool:
        """Return whether some queue has GPUs."""
        return any(queue.gpus for queue in self._queues.values())

    @property
    def is_mixed(self) -> bool:
        """Return whether nodes of queues differ, so that not every queue holds what it would take."""
        return len({queue.node for queue in self._queues.values()}) > 1

    def refusal(self, demand: Mapping[str, Any], *, but_for: str = "") -> str | None:
        """Return why no queue, or not the one that is named, takes a job; None if one does.

        The limit of a resource `but_for` which one would is not looked at.
        """
        if not self._queues:
            return None
        wanted = demand.get("slurm_partition")
        if wanted and wanted not in self._queues:
            return None  # a queue that the file does not know: Slurm decides
        names = [wanted] if wanted else list(self._queues)
        excesses = {name: self._queues[name].excess(demand, but_for=but_for) for name in names}
        if not all(excesses.values()):
            return None
        reasons = "; ".join(f"{name} {excess}" for name, excess in excesses.items())
        return f"no queue takes it ({self._source}): {reasons}"


def queues_file(arguments: Sequence[str], folder: Path | None = None) -> Path | None:
    """Return the file of partitions that Snakemake applies, or None where it does not submit to Slurm.

    Snakemake's own parser reads `arguments` and all profiles, seen from the `folder` that Snakemake
    was started in: the executor's settings are not there yet when the workflow is parsed, and never
    in a dry run. A job reads no profile: the Slurm plugin's variable carries the name to it.

    Raises UserError: the Slurm plugin would not find a file of a relative name with --directory.
    """
    from snakemake.cli import parse_args
    from snakemake_interface_executor_plugins.settings import ExecMode

    # It says again which profile it uses. Under Snakemake's Python API the arguments are another
    # program's, which the parser refuses.
    options = None
    with chdir(folder or Path.cwd()), redirect_stderr(StringIO()), suppress(SystemExit):
        _, options = parse_args(list(arguments))
    if options and options.mode == ExecMode.DEFAULT:
        _carry(getattr(options, "slurm_partition_config", None), options.executor == "slurm")
    found = os.environ.get(VARIABLE)
    return Path(found) if found else None


def _carry(named: object, is_used: bool) -> None:
    """Set the Slurm plugin's variable to the file that the options name, which override it."""
    if not is_used:
        os.environ.pop(VARIABLE, None)
    elif isinstance(named, str | Path):
        path = Path(named)
        if not path.is_absolute() and not path.exists():
            raise UserError(
                f"slurm-partition-config: no such file: {path.absolute()}; "
                "give an absolute path; with --directory the profile needs one too"
            )
        os.environ[VARIABLE] = str(path.absolute())


def read_site(path: Path | None) -> Site:
    """Return the site of a file of partitions; UserError if it cannot be read."""
    if path is None:
        return Site({})
    found = read_yaml(path)
    entries = found.get("partitions") if isinstance(found, Mapping) else None
    if not isinstance(entries, Mapping):
        raise UserError(
            f"{path}: cannot be read as queues: expected `partitions: {{name: limits}}`, got "
            f"{'no queues' if found is None else repr(found)}"
        )
    queues = {
        str(name): Queue(str(name), _read_limits(f"{path}: queue {name}", limits))
        for name, limits in entries.items()
    }
    return Site(queues, str(path))


def _read_limits(where: str, limits: Any) -> PartitionLimits:
    """Return the limits of a queue, time in minutes; UserError for what the plugin cannot read."""
    if not isinstance(limits, Mapping):
        raise UserError(f"{where}: expected its limits, `{{}}` for none, got {limits!r}")
    for key, value in limits.items():
        _check_limit(where, str(key), value)
    try:
        return PartitionLimits(**limits)
    except WorkflowError as error:
        raise UserError(
            f"{where}: `max_runtime`: expected minutes, or a time as '36h' or '1-12:00:00', "
            f"got {limits['max_runtime']!r}"
        ) from error


def _check_limit(where: str, key: str, value: Any) -> None:
    """Raise UserError for a key that the plugin does not know, or a value of another type."""
    if key in CLUSTERS:
        raise UserError(
            f"{where}: `{key}`: jobs go to the cluster that snakemake runs on; leave it out"
        )
    if key not in DEFAULTS:
        near = nearest(key, DEFAULTS)
        hint = f"did you mean `{near}`?" if near else f"known limits: {', '.join(DEFAULTS)}"
        raise UserError(f"{where}: unknown limit `{key}`; {hint}")
    if key == "max_runtime" and isinstance(value, str):
        return  # the plugin reads it
    kind, expected = KINDS.get(type(DEFAULTS[key]), NUMBER)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise UserError(f"{where}: `{key}`: expected {expected}, got {value!r}")
