"""Queues and what fits into them."""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake_executor_plugin_slurm.partitions import PartitionLimits

from mct.base.errors import UserError
from mct.cluster.planning import Planner
from mct.cluster.site import Site, read_site
from mct.experiment.experiment import Experiment

PROFILE = Path(__file__).parents[2] / "profiles/slurm/partitions.yaml"


@pytest.fixture
def site() -> Site:
    return read_site(PROFILE)


def test_a_rank_takes_the_core_groups_that_its_memory_needs(site: Site):
    queue = site.queues[0]
    assert [queue.rank_cores(1, mb) for mb in (1, 8192, 8193, 16384, 16385, 32768)] == [
        1, 1, 2, 2, 4, 4,
    ]  # fmt: skip
    assert queue.rank_cores(3, 100) == 3


def test_more_memory_than_a_node_has_is_asked_for_and_refused(site: Site):
    cores = site.queues[0].rank_cores(1, 40_000)
    assert cores == 5
    refusal = site.refusal({"tasks": 1, "cpus_per_task": cores, "nodes": 1, "runtime": 5})
    assert refusal is not None
    assert "max_cpus_per_task = 4, asked 5" in refusal


@pytest.mark.parametrize(
    ("tasks", "cpus", "nodes"), [(1, 1, 1), (4, 1, 1), (5, 1, 2), (4, 2, 2), (3, 3, 3), (2, 4, 2)]
)
def test_nodes_hold_all_tasks_whole(site: Site, tasks: int, cpus: int, nodes: int):
    assert site.queues[0].nodes(tasks, cpus) == nodes


def test_a_refusal_names_the_file_each_queue_its_limit_and_what_was_asked(site: Site):
    refusal = site.refusal({"tasks": 512, "nodes": 600, "runtime": 10, "mpi_tasks": 512})
    assert refusal is not None
    assert str(PROFILE) in refusal
    assert "q_sw_expr gives at most max_nodes = 128, asked 600" in refusal
    assert "q_x86_share gives at most max_nodes = 1, asked 600" in refusal


def test_time_is_blamed_only_where_all_else_fits(site: Site):
    refusal = site.refusal({"tasks": 1, "cpus_per_task": 5, "nodes": 1, "runtime": 500})
    assert refusal is not None
    assert refusal.count("max_cpus_per_task = 4, asked 5") == 3
    assert "max_runtime" not in refusal
    assert site.refusal({"cpus_per_task": 5, "runtime": 500}, but_for="runtime") == refusal
    assert site.refusal({"cpus_per_task": 4, "runtime": 500}, but_for="runtime") is None


def test_serial_queues_take_no_ranks(site: Site):
    refusal = site.refusal({"tasks": 1, "mpi_tasks": 1, "slurm_partition": "q_x86_share"})
    assert refusal is not None
    assert "max_mpi_tasks = 0, asked 1" in refusal


def test_only_the_named_queue_counts(site: Site):
    demand = {"tasks": 4, "nodes": 1, "runtime": 60, "slurm_partition": "q_sw_expr"}
    refusal = site.refusal(demand)
    assert refusal is not None
    assert "max_runtime = 30 minutes, asked 60" in refusal
    assert site.refusal({**demand, "slurm_partition": "q_sw_share"}) is None
    assert site.refusal({**demand, "slurm_partition": "unknown"}) is None


def test_a_machine_without_queues_has_no_limits():
    site = read_site(None)
    [queue] = site.queues
    assert queue.rank_cores(2, 1e9) == 2
    assert queue.nodes(1000, 4) == 1
    assert queue.excess({"tasks": 10**6, "nodes": 1, "runtime": 10**6}) is None
    assert site.refusal({"tasks": 10**6}) is None
    assert math.isinf(queue.memory_per_core)


def write_queue(folder: Path, **limits: Any) -> Path:
    """Return a file of partitions with one queue."""
    path = folder / "partitions.yaml"
    path.write_text(yaml.safe_dump({"partitions": {"only": limits}}))
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "cannot be read as queues"),
        ("partitions: 3", "cannot be read as queues"),
        ("partitions:", "cannot be read as queues"),
        ("queues: {}", "cannot be read as queues"),
        ("- partitions", "cannot be read as queues"),
        ("partitions:\n  a: {max_nodes: 1", "line 2, column 19: this is not YAML"),
        ("[", "line 1, column 2: this is not YAML"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str, expected: str):
    path = tmp_path / "partitions.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as refused:
        read_site(path)
    assert str(refused.value).startswith(f"{path}: {expected}")


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_runtme": 30}, "unknown limit `max_runtme`; did you mean `max_runtime`?"),
        ({"max_node": 2}, "unknown limit `max_node`; did you mean `max_nodes`?"),
        ({"colour": 2}, "unknown limit `colour`; known limits: max_runtime, "),
        ({"cluster": "west"}, "`cluster`: jobs go to the cluster that snakemake runs on"),
        ({"max_nodes": "4"}, "`max_nodes`: expected a number, got '4'"),
        ({"max_nodes": None}, "`max_nodes`: expected a number, got None"),
        ({"supports_mpi": "no"}, "`supports_mpi`: expected true or false, got 'no'"),
        ({"max_nodes": True}, "`max_nodes`: expected a number, got True"),
        ({"available_constraints": "fat"}, "`available_constraints`: expected a list, got 'fat'"),
        ({"max_runtime": "long"}, "`max_runtime`: expected minutes, or a time as '36h' or"),
    ],
)
def test_a_limit_that_is_not_understood_is_refused_in_a_line(
    tmp_path: Path, limits: dict[str, Any], message: str
):
    path = write_queue(tmp_path, **limits)
    with pytest.raises(UserError) as refused:
        read_site(path)
    assert str(refused.value).startswith(f"{path}: queue only: {message}")
    assert "\n" not in str(refused.value)


def test_a_queue_without_its_limits_is_refused(tmp_path: Path):
    path = tmp_path / "partitions.yaml"
    path.write_text("partitions: {only: }")
    with pytest.raises(UserError, match="queue only: expected its limits"):
        read_site(path)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("1-00:00:00", 1440), ("1-12", 2160), ("02:30:00", 150), ("36h", 2160), ("1d12h", 2160)],
)
def test_times_are_read_as_the_slurm_plugin_reads_them(tmp_path: Path, text: str, minutes: int):
    [queue] = read_site(write_queue(tmp_path, max_runtime=text)).queues
    assert queue.limit("max_runtime") == minutes
    assert PartitionLimits(max_runtime=text).max_runtime == minutes


@pytest.mark.parametrize(
    ("limits", "demand", "refusal"),
    [
        ({"max_mem_mb": 8000}, {"mem_mb": 9000}, "max_mem_mb = 8000 MB, asked 9000"),
        ({"max_threads": 4}, {"threads": 8}, "max_threads = 4, asked 8"),
        ({"max_threads": 4}, {"cpus_per_task": 8}, "max_threads = 4, asked 8"),
        ({"max_gpu": 9, "max_cpus_per_gpu": 2}, {"cpus_per_task": 3, "gpu": 1}, "asked 3"),
        ({"available_constraints": ["fat"]}, {"constraint": "fat,new"}, "asked fat,new"),
        ({"max_gpu": 9, "available_gpu_models": ["a"]}, {"gpu": 1, "gpu_model": "b"}, "asked b"),
        ({"supports_mpi": False}, {"mpi": "yes"}, "takes no MPI job"),
    ],
)
def test_every_limit_of_the_slurm_plugin_refuses(
    tmp_path: Path, limits: dict[str, Any], demand: dict[str, Any], refusal: str
):
    site = read_site(write_queue(tmp_path, **limits))
    assert refusal in str(site.refusal(demand))
    assert site.refusal({"gpu": demand.get("gpu", 0), "threads": 2}) is None


def test_tasks_of_a_node_and_threads_bound_what_a_node_holds(tmp_path: Path):
    [queue] = read_site(write_queue(tmp_path, max_cpus_per_task=64, max_tasks_per_node=2)).queues
    assert (queue.nodes(4, 1), queue.nodes(3, 64)) == (2, 3)
    assert read_site(write_queue(tmp_path, max_threads=8)).queues[0].nodes(4, 4) == 2


def test_a_queue_whose_nodes_do_not_hold_a_job_refuses_it(tmp_path: Path):
    site = read_site(write_queue(tmp_path, max_cpus_per_task=8))
    refusal = site.refusal({"tasks": 8, "cpus_per_task": 8, "nodes": 1})
    assert refusal is not None
    assert "only needs 8 nodes for it (max_cpus_per_task = 8), asked 1" in refusal
    assert site.refusal({"tasks": 8, "cpus_per_task": 8, "nodes": 8}) is None


def test_a_queue_that_is_closed_with_a_zero_refuses(tmp_path: Path):
    limits = ("max_nodes", "max_cpus_per_task", "max_threads", "max_mem_mb_per_cpu")
    closed = read_site(write_queue(tmp_path, max_gpu=1, **dict.fromkeys(limits, 0)))
    demand = Planner(Experiment({}), closed).calibrate("mct", "4", 1)
    assert "only gives at most max_nodes = 0" in str(closed.refusal(demand.resources))
