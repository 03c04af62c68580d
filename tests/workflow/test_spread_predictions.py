"""Evaluation, scores of labels and estimates have the same bits on any number of ranks."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
from projects import LONG, copy_project, run_snakemake

SCRIPTS = ("evaluate_model", "estimate_noise_by_models", "estimate_confusion", "score_labels")
EXTRACTION = "extract_features"
OF_THE_RUN = ("hardware", "command", "seconds", "started")
OPTIONS = (
    "--cores", 2, "--config", "seeds=[0]", "ranks=[2]", "methods=[cleannet,glc,mct_paper]",
    "pretraining={epochs_auxiliary: 1, epochs_primary: 1}", "baselines={glc: {confusion: estimated}}",
)  # fmt: skip
PRETRAINED = "results/digits/models/digits/pretrain_{0}/seed0_ranks2/{0}.safetensors"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with a pretrained pair on the digits, whose sets are several batches."""
    project = copy_project(tmp_path_factory.mktemp("digits") / "project")
    targets = [PRETRAINED.format(role) for role in ("auxiliary", "primary")]
    run = run_snakemake(project, *targets, *OPTIONS)
    assert run.returncode == 0, run.stdout + run.stderr
    return project


@pytest.fixture(scope="module")
def commands(digits: Path) -> dict[str, str]:
    """Return the shell command of a job of each script."""
    frozen = ("model={initial_weights: start.safetensors, trainable: classifier}",)
    shutil.copy(digits / PRETRAINED.format("primary"), digits / "start.safetensors")
    stored = plan(digits, *frozen, "images={feature_views: 3}")
    lines = [*plan(digits), *(line for line in stored if f"{EXTRACTION}.py" in line)]
    names = (*SCRIPTS, EXTRACTION)
    return {name: next(line for line in lines if f"{name}.py" in line) for name in names}


def plan(digits: Path, *more: str) -> list[str]:
    """Return the lines of a plan that shows the shell command of every job."""
    shown = run_snakemake(digits, "-n", "-p", *OPTIONS, *more)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    return shown.stdout.splitlines()


@LONG
@pytest.mark.parametrize("script", [*SCRIPTS, EXTRACTION])
def test_results_have_the_same_bits_on_any_ranks(
    script: str, commands: dict[str, str], digits: Path, tmp_path: Path
):
    program = re.search(rf"{script}\.py (.*?) 2> ", commands[script])
    assert program
    found = []
    for ranks in (1, 2, 4):
        output = tmp_path / f"{ranks}.out"
        options = re.sub(r"--ranks \S+", f"--ranks {ranks}", program[1])
        options = re.sub(r"--checkpoints \S+", f"--checkpoints {tmp_path / 'kept'}", options)
        options = re.sub(r"--output \S+", f"--output {output}", options)
        path = digits / f"workflow/scripts/{script}.py"
        job = subprocess.run(
            f"mpiexec -n {ranks} python -m mpi4py {path} {options}",
            shell=True, cwd=digits, capture_output=True, text=True, check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert job.returncode == 0, job.stdout + job.stderr
        found.append(result_of(output))
    assert found[0] == found[1] == found[2]
    assert not (tmp_path / "kept").exists()


def result_of(path: Path) -> object:
    """Return what a program wrote, without what names the run."""
    if h5py.is_hdf5(path):
        with h5py.File(path) as file:
            return {name: np.asarray(values).tobytes() for name, values in file.items()}
    facts = json.loads(path.read_text())
    return {name: value for name, value in facts.items() if name not in OF_THE_RUN}
