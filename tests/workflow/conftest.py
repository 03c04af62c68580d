"""Running snakemake as a user does, in a copy of the project and on a small data set."""

import shutil
from pathlib import Path

import pytest
from projects import Run, copy_project, run_snakemake, write_config
from trees import write_clothing1m


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project with a data set and a configuration `tiny.yaml`."""
    folder = copy_project(tmp_path_factory.mktemp("workflow") / "project")
    write_config(folder / "tiny.yaml", write_clothing1m(folder / "data"))
    return folder


@pytest.fixture(scope="session")
def snakemake(project: Path) -> Run:
    """Return a function that runs snakemake in the copy of the project."""
    return lambda *arguments, **options: run_snakemake(project, *arguments, **options)


@pytest.fixture(scope="session")
def finished(project: Path, snakemake: Run) -> Path:
    """Return the results of a whole run."""
    run = snakemake("--cores", 2, "--configfile", "tiny.yaml")
    assert run.returncode == 0, run.stdout + run.stderr
    return project / "results/tiny"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a data set like Clothing1M that a test may spoil."""
    return write_clothing1m(tmp_path / "data")


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """Return a copy of the project with its results, which a test may add to."""
    return shutil.copytree(finished.parents[1], tmp_path / "project", symlinks=True)
