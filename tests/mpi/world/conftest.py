"""Fixtures of tests that run on every rank of an MPI job at the same time."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mpi4py import MPI
from replicas import noisy_set

from mct.data.imagesets import ImageSet
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


@pytest.fixture
def folder(world: MPI.Intracomm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder that all ranks share."""
    own = tmp_path_factory.mktemp("shared") if world.rank == 0 else None
    yield world.bcast(own)
    world.Barrier()


@pytest.fixture
def image_set() -> ImageSet:
    return noisy_set()
