"""A real Slurm cluster for the tests, and projects on it.

They run where MCT_SLURM is set, as in CI: a cluster takes the place of one that is configured.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import cluster
import pytest
import yaml
from projects import copy_project, run_snakemake, write_config
from trees import write_clothing1m


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


def new_project(folder: Path, **sections: object) -> Path:
    """Return a copy of the project with the small data set and quick polling of Slurm."""
    project = copy_project(folder)
    path = write_config(project / "tiny.yaml", write_clothing1m(project / "data"))
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **sections}))
    profile = project / "profiles/slurm/config.yaml"
    profile.write_text(profile.read_text().replace("status-checks: 10", "status-checks: 3"))
    return project


@pytest.fixture(scope="session")
def prepared(up: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project whose pair is pretrained, and calibrated once, on this machine."""
    project = new_project(
        tmp_path_factory.mktemp("prepared") / "project",
        methods=["mct_paper"],
        calibration={"epochs": 300},
        execution={"checkpoint_steps": 50},
    )
    run = run_snakemake(project, TARGET, "--cores", 2, "--configfile", "tiny.yaml")
    assert run.returncode == 0, run.stdout + run.stderr
    return project


TARGET = "results/tiny/models/tiny/mct_paper/seed0_ranks2/primary.safetensors"
