"""Fixtures of tests that run on every rank of an MPI job at the same time."""

from collections.abc import Iterator

import pytest
import torch
from mpi4py import MPI

from mct.parallel.comm import Topology, split_world


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """End the job when one rank fails: the others would wait for it for ever."""
    report = (yield).get_result()
    if report.failed:
        print(f"rank {MPI.COMM_WORLD.rank}: {item.name}\n{report.longreprtext}", flush=True)
        MPI.COMM_WORLD.Abort(1)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def world() -> Iterator[MPI.Intracomm]:
    comm = MPI.COMM_WORLD.Dup()
    yield comm
    comm.Free()


@pytest.fixture
def topology(world: MPI.Intracomm) -> Iterator[Topology]:
    if world.size % 2:
        pytest.skip("calibration needs an even number of ranks")
    split = split_world(world)
    yield split
    split.free()
