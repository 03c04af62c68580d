"""A file of queues from what sinfo and scontrol print; recorded from Slurm 22.05.

`trial` is the cluster of `tests/slurm`. `mixed` is a controller without its nodes: queues whose nodes
differ, GPUs, limits of memory, and a queue that is down.
"""

from pathlib import Path

import pytest
import yaml

from mct.base.errors import UserError
from mct.cluster.description import Nodes, ask, count_gpus, describe, minutes, read_nodes
from mct.cluster.site import Site, read_site

OUTPUT = Path(__file__).parent / "slurm_output"
TRIAL = ("q_sw_expr", "q_sw_share", "q_x86_share")


def described(cluster: str, *chosen: str, serial: tuple[str, ...] = ()) -> str:
    """Return the file that describes a recorded cluster."""
    parts = ("sinfo", "partitions", "config")
    nodes, partitions, config = ((OUTPUT / f"{cluster}.{part}.txt").read_text() for part in parts)
    return describe(nodes, partitions, config, chosen, serial)


def site_of(text: str, folder: Path) -> Site:
    """Return the site that the workflow reads from a file."""
    (folder / "partitions.yaml").write_text(text)
    return read_site(folder / "partitions.yaml")


def test_the_trial_cluster_has_four_nodes_of_four_core_groups():
    found = yaml.safe_load(described("trial", *TRIAL, serial=("q_x86_share",)))["partitions"]
    node = {"max_cpus_per_task": 4, "max_mem_mb_per_cpu": 8192}
    assert found == {
        "q_sw_expr": {"max_runtime": 30, "max_nodes": 2, "max_tasks": 8, **node},
        "q_sw_share": {"max_runtime": 120, "max_nodes": 4, "max_tasks": 16, **node},
        "q_x86_share": {
            "max_runtime": 120, "max_nodes": 1, "max_tasks": 1, "max_mpi_tasks": 0, **node,
        },
    }  # fmt: skip
    assert list(found) == list(TRIAL)


def test_all_queues_that_are_up_are_described_and_can_be_planned_with(tmp_path: Path):
    site = site_of(described("mixed", serial=("serial",)), tmp_path)
    assert [queue.name for queue in site.queues] == ["debug", "batch", "serial", "gpu", "fat"]
    assert site.has_gpus
    assert site.is_mixed
    assert [queue.name for queue in site.for_ranks().queues] == ["gpu"]


@pytest.mark.parametrize(
    ("queue", "limits"),
    [
        ("debug", {"max_runtime": 30, "max_nodes": 2, "max_tasks": 128}),
        ("batch", {"max_runtime": 3600, "max_nodes": 8, "max_mem_mb_per_cpu": 4000}),
        ("serial", {"max_nodes": 1, "max_cpus_per_task": 16, "max_tasks": 16}),
        ("gpu", {"max_nodes": 4, "max_gpu": 16, "max_cpus_per_task": 32}),
        ("fat", {"max_nodes": 2, "max_mem_mb_per_cpu": 31250}),
    ],
)
def test_limits_are_the_queues_own_or_what_its_nodes_give(queue: str, limits: dict[str, int]):
    """Of `batch` the 12 nodes of 64 cores give more than the 2 of 48, of `gpu` those with four."""
    found = yaml.safe_load(described("mixed", queue))["partitions"][queue]
    assert {name: found[name] for name in limits} == limits
    assert ("max_runtime" in found) == (queue != "fat")


def test_larger_nodes_count_among_smaller_ones_of_which_there_are_more():
    [kinds] = read_nodes("q|10|16|64000|(null)\nq|3|32|128000|gpu:1").values()
    assert kinds == [Nodes(10, 16, 64000, 0), Nodes(3, 32, 128000, 1)]
    without = "q|10|16|64000|(null)\nq|3|32|128000|(null)"
    text = describe(without, "PartitionName=q MaxNodes=UNLIMITED State=UP", "", (), ())
    limits = yaml.safe_load(text)["partitions"]["q"]
    assert (limits["max_nodes"], limits["max_cpus_per_task"], limits["max_tasks"]) == (13, 16, 208)


def test_a_queue_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(UserError, match="no such queue: q_none; there are q_sw_share, q_sw_expr"):
        described("trial", "q_none")
    with pytest.raises(UserError, match="no such queue: none"):
        described("trial", serial=("none",))


@pytest.mark.parametrize(
    ("text", "gpus"),
    [("(null)", 0), ("gpu:a100:4(S:0-1)", 4), ("gpu:2,shard:8", 2), ("gpu", 1), ("gpu:a:1,gpu:b:2", 3)],
)  # fmt: skip
def test_gpus_of_a_node_are_counted(text: str, gpus: int):
    assert count_gpus(text) == gpus


def test_times_are_read_as_slurm_prints_them():
    read = [minutes(text) for text in ("00:30:00", "02:00:00", "2-12:00:00")]
    assert read == [30, 120, 3600]
    assert minutes("UNLIMITED") == float("inf")


def test_a_machine_without_slurm_is_refused_in_a_line():
    with pytest.raises(UserError, match="start this where Slurm's commands are"):
        ask(("no-such-command-of-slurm",))
    with pytest.raises(UserError, match=r"^false: "):
        ask(("false",))
