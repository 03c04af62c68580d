"""Plans where the nodes of queues differ: within the limits of one queue, never of several."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mct.cluster.planning import Planner
from mct.cluster.site import read_site
from mct.experiment.experiment import Experiment

SMALL = {
    "max_runtime": 60, "max_nodes": 16, "max_cpus_per_task": 64, "max_mem_mb_per_cpu": 2000,
}  # fmt: skip
BIGMEM = {
    "max_runtime": 600, "max_nodes": 1, "max_cpus_per_task": 8, "max_mem_mb_per_cpu": 32000,
}  # fmt: skip
PHOTOGRAPHS = {
    "model": {"name": "resnet50"}, "images": {"size": 224}, "optimizer": {"batch_size": 64},
    "calibration": {"epochs": 10},
}  # fmt: skip
Plan = Callable[..., Planner]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Return a function that plans a training of ResNet-50 on queues."""

    def planner(sections: Any = PHOTOGRAPHS, **queues: dict[str, Any]) -> Planner:
        path = tmp_path / "partitions.yaml"
        path.write_text(yaml.safe_dump({"partitions": queues}, sort_keys=False))
        return Planner(Experiment(sections), read_site(path))

    return planner


def test_a_plan_keeps_to_the_queue_that_it_names(plan: Plan):
    """`bigmem` would take the plan for `small` by its limits, but has no room for its cores."""
    for queues in ({"small": SMALL, "bigmem": BIGMEM}, {"bigmem": BIGMEM, "small": SMALL}):
        demand = plan(**queues).calibrate("mct", "16", 1)
        assert demand.slurm_partition == "small"
        assert demand.mem_mb_per_cpu <= 2000
        assert demand.nodes >= demand.tasks * demand.cpus_per_task / 64
        assert demand.runtime == 60
        assert plan(**queues).refusal("calibrate_pair", demand.resources) is None


def test_a_plan_has_the_memory_of_its_queue(plan: Plan):
    """Two ranks with 256 pictures each need more cores of `small` than a node has."""
    sections = {**PHOTOGRAPHS, "optimizer": {"batch_size": 256}}
    demand = plan(sections, small={**SMALL, "max_cpus_per_task": 16}, bigmem=BIGMEM)
    assert demand.calibrate("mct", "2", 1).slurm_partition == "bigmem"


def test_the_first_queue_that_gives_all_the_time_is_taken(plan: Plan):
    short, long = {**SMALL, "max_cpus_per_task": 32}, {**SMALL, "max_runtime": 100000}
    queues = {"short": short, "long": long, "longest": long}
    assert plan(**queues).calibrate("mct", "16", 1).slurm_partition == "long"
    assert plan({}, **queues).calibrate("mct", "16", 1).slurm_partition == "short"


def test_what_no_queue_takes_is_refused_with_every_limit(plan: Plan):
    planner = plan(small={**SMALL, "max_tasks": 4}, bigmem=BIGMEM)
    refusal = planner.refusal("calibrate_pair", planner.calibrate("mct", "16", 1).resources)
    assert refusal is not None
    assert "small gives at most max_tasks = 4, asked 8; bigmem needs 8 nodes for it" in refusal


def test_no_queue_is_named_where_nodes_are_alike_nor_for_serial_jobs(plan: Plan):
    alike = plan(small=SMALL, long={**SMALL, "max_runtime": 100000})
    assert alike.calibrate("mct", "16", 1).slurm_partition == ""
    assert plan(small=SMALL, bigmem=BIGMEM).judge(1).slurm_partition == ""


def test_a_serial_job_that_only_lacks_time_is_refused_with_what_to_raise(plan: Plan):
    slow = {**PHOTOGRAPHS, "execution": {"gigaflops_per_thread": 0.001}}
    planner = plan(slow, tiny={"max_mem_mb": 1000}, small=SMALL, bigmem=BIGMEM)
    refusal = planner.refusal("judge_labels", planner.judge(1).resources)
    assert refusal is not None
    assert "small gives at most max_runtime = 60 minutes" in refusal
    assert "raise shards.count, execution.threads_per_rank" in refusal
