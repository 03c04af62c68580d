"""Queues and what fits into them."""

import math
from pathlib import Path

import pytest

from mct.base.errors import UserError
from mct.workflow.site import Site, read_site

PROFILE = Path(__file__).parents[2] / "profiles/slurm/partitions.yaml"


@pytest.fixture
def site() -> Site:
    return read_site(PROFILE)


def test_a_rank_takes_the_core_groups_that_its_memory_needs(site: Site):
    assert [site.rank_cores(1, mb) for mb in (1, 8192, 8193, 16384, 16385, 32768)] == [
        1, 1, 2, 2, 4, 4,
    ]  # fmt: skip
    assert site.rank_cores(3, 100) == 3


def test_more_memory_than_a_node_has_is_asked_for_and_refused(site: Site):
    cores = site.rank_cores(1, 40_000)
    assert cores == 5
    refusal = site.refusal({"tasks": 1, "cpus_per_task": cores, "nodes": 1, "runtime": 5})
    assert refusal is not None
    assert "max_cpus_per_task = 4, asked 5" in refusal


@pytest.mark.parametrize(
    ("tasks", "cpus", "nodes"), [(1, 1, 1), (4, 1, 1), (5, 1, 2), (4, 2, 2), (3, 3, 3), (2, 4, 2)]
)
def test_nodes_hold_all_tasks_whole(site: Site, tasks: int, cpus: int, nodes: int):
    assert site.nodes(tasks, cpus) == nodes


def test_time_is_cut_to_the_longest_queue_that_takes_the_job(site: Site):
    assert site.allowed_runtime(500, {"tasks": 4, "nodes": 1}) == 120
    assert site.allowed_runtime(20, {"tasks": 4, "nodes": 1}) == 20


def test_a_refusal_names_the_file_each_queue_its_limit_and_what_was_asked(site: Site):
    refusal = site.refusal({"tasks": 32, "nodes": 8, "runtime": 10, "mpi_tasks": 32})
    assert refusal is not None
    assert str(PROFILE) in refusal
    assert "q_sw_expr gives at most max_nodes = 2, asked 8" in refusal
    assert "q_x86_share gives at most max_nodes = 1, asked 8" in refusal


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
    assert site.rank_cores(2, 1e9) == 2
    assert site.nodes(1000, 4) == 1
    assert site.allowed_runtime(10**6, {}) == 10**6
    assert site.refusal({"tasks": 10**6}) is None
    assert math.isinf(site.memory_per_core)


@pytest.mark.parametrize(
    "text", ["", "partitions: 3", "queues: {}", "partitions: {a: {max_nodes: x}}", "["]
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "partitions.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match="cannot be read as queues"):
        read_site(path)
