"""Runs the tests in `world/` as MPI jobs; a failure on any rank ends the whole job."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from projects import LONG

WORLD_TESTS = Path(__file__).parent / "world"
SECONDS = 300


ON_DEVICES = ("test_training.py", "test_calibration.py", "test_checkpoints.py")
"""Those whose models are on the device that MCT_TEST_DEVICE names."""
OF_PAIRS = ("test_calibration.py", "test_comm.py", "test_norms.py", "test_shared_batches.py")
"""Those in which it matters how many pairs, or teams of ranks, there are."""


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_world(ranks: int) -> None:
    run_world(ranks, [WORLD_TESTS])


@LONG
def test_world_of_three_pairs() -> None:
    run_world(6, [WORLD_TESTS / name for name in OF_PAIRS])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_world_on_a_gpu_that_ranks_share(ranks: int) -> None:
    run_world(ranks, [WORLD_TESTS / name for name in ON_DEVICES], MCT_TEST_DEVICE="cuda")


def run_world(ranks: int, tests: list[Path], **environment: str) -> None:
    program = [sys.executable, "-m", "mpi4py", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    job = subprocess.run(
        ["mpiexec", "-n", str(ranks), *program, "--confcutdir", WORLD_TESTS, *tests],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert job.returncode == 0, job.stdout + job.stderr
    assert " passed" in job.stdout


LOWER_LEVEL = """
import mpi4py
mpi4py.rc.thread_level = "serialized"
from mct.parallel.comm import split_world, world
from mct.parallel.shared_batches import share_batches
topology = split_world(world())
assert share_batches(topology, batches=2, batch_bytes=100, threaded=True) is None
share_batches(topology, batches=2, batch_bytes=100, threaded=False).free()
topology.free()
"""


def test_pairs_read_apart_where_mpi_admits_no_calls_of_a_thread() -> None:
    job = subprocess.run(
        ["mpiexec", "-n", "2", sys.executable, "-c", LOWER_LEVEL],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert job.returncode == 0, job.stdout + job.stderr
