"""Running snakemake as a user does, from the project's folder."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from trees import write_clothing1m

PROJECT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess]


@pytest.fixture
def snakemake() -> Run:
    """Return a function that runs snakemake with arguments and returns what it printed."""

    def run(*arguments: object, seconds: int = 600) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "snakemake", *map(str, arguments)]
        return subprocess.run(
            command, cwd=PROJECT, capture_output=True, text=True, timeout=seconds, check=False
        )

    return run


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a data set like Clothing1M."""
    return write_clothing1m(tmp_path / "data")


@pytest.fixture
def config(tmp_path: Path, tree: Path) -> Path:
    """Return a configuration of a run of seconds on that data set."""
    path = tmp_path / "config.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "experiment": "tiny",
                "results": str(tmp_path / "results"),
                "ranks": [2],
                "methods": ["clean_noisy", "mct_paper"],
                "dataset": {
                    "name": "tiny",
                    "layout": "clothing1m",
                    "root": str(tree),
                    "noise_rate": 0.3,
                },
                "images": {"size": 16, "augmentation": "crop_flip"},
                "shards": {"noisy": 2},
                "optimizer": {"batch_size": 13},
                "pretraining": {"epochs_auxiliary": 4, "epochs_primary": 2},
                "calibration": {"epochs": 2},
            }
        )
    )
    return path
