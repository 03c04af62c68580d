"""Copies of the project, their configuration, and running snakemake in them."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[2]
LONG = pytest.mark.skipif(
    not os.environ.get("MCT_LONG"), reason="takes 20 s or more; MCT_LONG=1 runs it, as CI does"
)
Process = subprocess.CompletedProcess
Run = Callable[..., Process]


def copy_project(folder: Path) -> Path:
    """Copy what Snakemake reads, so that tests neither lock nor change the checkout."""
    folder.mkdir(parents=True)
    shutil.copy(PROJECT / "Snakefile", folder)
    (folder / "slurm").symlink_to("profiles/slurm")
    for name in ("workflow", "config", "profiles"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / name, folder / name, ignore=ignore)
    return folder


def write_config(path: Path, tree: Path) -> Path:
    """Write the configuration of a run of seconds on a data set like Clothing1M.

    Data in the project's folder are named from there, so that a copy of the project has its own.
    """
    root = tree.relative_to(path.parent) if tree.is_relative_to(path.parent) else tree
    config = {
        "experiment": "tiny",
        "ranks": [2],
        "methods": ["clean_noisy", "mct_paper"],
        "dataset": {"name": "tiny", "layout": "clothing1m", "root": str(root), "noise_rate": 0.3},
        "images": {
            "size": 16,
            "augmentation": "crop_flip",
            "mean": [0.5, 0.5, 0.5],
            "std": [0.25, 0.25, 0.25],
        },
        "shards": {"count": 2},
        "optimizer": {"batch_size": 13},
        "pretraining": {"epochs_auxiliary": 4, "epochs_primary": 2},
        "calibration": {"epochs": 2},
    }
    path.write_text(yaml.safe_dump(config))
    return path


def change_config(project: Path, **sections: object) -> None:
    """Replace sections of a project's configuration `tiny.yaml`."""
    path = project / "tiny.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **sections}))


def run_snakemake(
    project: Path,
    *arguments: object,
    seconds: int = 600,
    program: Sequence[str | Path] = ("-m", "snakemake"),
) -> Process:
    """Run snakemake, or a program around it, in a project's folder and return what it printed."""
    command = [sys.executable, *map(str, (*program, *arguments))]
    return subprocess.run(
        command, cwd=project, capture_output=True, text=True, timeout=seconds, check=False
    )


def run_command(project: Path, *words: object) -> Process:
    """Run `mct` of a project in its folder and return what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(project / "workflow/scripts")}
    command = [sys.executable, "-m", "mct.command", *map(str, words)]
    return subprocess.run(
        command, cwd=project, capture_output=True, text=True, env=environment, check=False
    )


def planned(snakemake: Run, *options: object, configfile: str = "tiny.yaml") -> set[str]:
    """Return the rules that a dry run would run."""
    plan = snakemake("-n", "--cores", 2, "--configfile", configfile, *options)
    assert plan.returncode == 0, plan.stderr
    return set(re.findall(r"^(?:local)?rule (\w+):", plan.stdout + plan.stderr, re.M)) - {"all"}
