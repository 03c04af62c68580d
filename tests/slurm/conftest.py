"""A real Slurm cluster for the tests, and projects on it.

They run where MCT_SLURM is set, as in CI: a cluster takes the place of one that is configured.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import cluster
import pytest
from projects import change_config, run_snakemake
from workflows import epochs_in, new_project


@pytest.fixture(scope="session", autouse=True)
def up() -> Iterator[None]:
    """Bring the cluster up; one that was up before stays."""
    if not os.environ.get("MCT_SLURM"):
        pytest.skip("MCT_SLURM=1 brings up a Slurm cluster on this machine (Debian, root), minutes")
    was_up = cluster.is_up()
    cluster.up()
    yield
    if not was_up:
        cluster.down()


@pytest.fixture(scope="session")
def prepared(up: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project whose pair is pretrained, and calibrated once, on this machine.

    Calibration is as long as tests need to interfere with it, however fast the machine.
    """
    folder = tmp_path_factory.mktemp("prepared") / "project"
    project = new_project(folder, execution={"checkpoint_steps": 50})
    epochs = 150
    for _ in range(2):
        change_config(project, calibration={"epochs": epochs})
        run = run_snakemake(project, TARGET, "--cores", 2, "--configfile", "tiny.yaml")
        assert run.returncode == 0, run.stdout + run.stderr
        epochs = epochs_in(SECONDS_OF_STEPS, (project / TARGET).parent)
    return project


SECONDS_OF_STEPS = 15
"""Enough for a workflow to be planned again while its job trains, also on a busy machine."""
TARGET = "results/tiny/models/tiny/mct_paper/seed0_ranks2/primary.safetensors"
