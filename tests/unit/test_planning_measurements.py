"""What jobs that measure performance ask for."""

from typing import Any
from unittest.mock import Mock

import pytest
from mpi4py import MPI
from test_planning import planner

from mct.cluster import demands
from mct.cluster.demands import model_cost
from mct.cluster.planning import Demand
from mct.performance import rehearsal


def test_measuring_prefetch_is_planned_for_the_experiments_model_and_batch():
    scaling = {"scaling": {"model": "small_cnn", "size": 32, "samples_per_rank": 8, "repeats": 20}}
    large = {"model": {"name": "resnet50"}, "images": {"size": 224}}
    plans = [
        planner(**scaling, **large, optimizer={"batch_size": batch}).rehearse_reading("2", 1)
        for batch in (8, 32)
    ]
    assert plans[0].runtime < plans[1].runtime
    assert plans[0].mem_mb < plans[1].mem_mb
    small = planner(**scaling)
    assert small.rehearse("2", 1) == planner(**scaling, **large).rehearse("2", 1)
    assert small.rehearse_reading("2", 1).mem_mb < plans[0].mem_mb


@pytest.mark.parametrize(("prefetched", "steps", "batches"), [(2, 1, 32), (16, 5, 176), (0, 3, 40)])
def test_batches_that_measuring_prefetch_reads_are_planned(
    monkeypatch: pytest.MonkeyPatch, prefetched: int, steps: int, batches: int
):
    reader, depths = Mock(), (0, max(1, prefetched))
    monkeypatch.setattr(rehearsal, "learn_all", lambda learner, batch: None)
    rehearsal.time_depths(MPI.COMM_SELF, Mock(), reader, 1000, 8, depths, steps)
    assert demands.timed_batches(prefetched, steps) == batches == reader.read.call_count


def test_measuring_prefetch_takes_longer_the_more_it_reads_ahead():
    slow = {"model": {"name": "resnet50"}, "images": {"size": 224}, "scaling": {"repeats": 1}}
    short, long = (
        planner(**slow, execution={"prefetch_batches": ahead}).rehearse_reading("2", 1)
        for ahead in (0, 16)
    )
    assert short.runtime < long.runtime


def test_measuring_is_planned_for_the_largest_batch_and_model():
    small = {"model": "small_cnn", "size": 32, "averaged_models": ["small_cnn"]}
    slow = {"execution": {"gigaflops_per_thread": 1}}

    def plan(ranks: str = "2", **changes: Any) -> Demand:
        return planner(scaling={**small, **changes}, **slow).rehearse(ranks, 1)

    usual, strong = plan(), plan(fixed_batch=4096)
    assert strong.mem_mb > usual.mem_mb + 1000
    assert strong.runtime > usual.runtime
    assert plan(samples_per_rank=4096).mem_mb == strong.mem_mb
    assert plan("4", fixed_batch=8192).runtime == strong.runtime
    averaged = plan(averaged_models=["alexnet", "resnet50"])
    assert averaged.mem_mb > 2 * 2 * demands.model_megabytes(model_cost("alexnet", 32), 0, 32, 0)
    assert averaged.mem_mb > 2 * usual.mem_mb
    assert plan(averaged_models=["alexnet"]).mem_mb == averaged.mem_mb
    many = {"averaged_models": ["alexnet"], "repeats": 500, "samples_per_rank": 1, "fixed_batch": 1}
    assert plan(**many).runtime > plan(**many | {"averaged_models": ["small_cnn"]}).runtime
