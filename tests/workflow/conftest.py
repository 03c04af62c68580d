"""Running snakemake as a user does, in a copy of the project and on a small data set."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from trees import write_clothing1m

PROJECT = Path(__file__).parents[2]
Process = subprocess.CompletedProcess
Run = Callable[..., Process]


def copy_project(folder: Path) -> Path:
    """Copy what Snakemake reads, so that tests neither lock nor change the checkout."""
    folder.mkdir(parents=True)
    shutil.copy(PROJECT / "Snakefile", folder)
    for name in ("workflow", "config", "profiles"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / name, folder / name, ignore=ignore)
    return folder


def write_config(path: Path, tree: Path) -> Path:
    """Write the configuration of a run of seconds on a data set like Clothing1M."""
    config = {
        "experiment": "tiny",
        "ranks": [2],
        "methods": ["clean_noisy", "mct_paper"],
        "dataset": {"name": "tiny", "layout": "clothing1m", "root": str(tree), "noise_rate": 0.3},
        "images": {"size": 16, "augmentation": "crop_flip"},
        "shards": {"noisy": 2},
        "optimizer": {"batch_size": 13},
        "pretraining": {"epochs_auxiliary": 4, "epochs_primary": 2},
        "calibration": {"epochs": 2},
    }
    path.write_text(yaml.safe_dump(config))
    return path


def run_snakemake(project: Path, *arguments: object, seconds: int = 600) -> Process:
    """Run snakemake in a project's folder and return what it printed."""
    command = [sys.executable, "-m", "snakemake", *map(str, arguments)]
    return subprocess.run(
        command, cwd=project, capture_output=True, text=True, timeout=seconds, check=False
    )


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
