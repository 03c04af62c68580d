"""What is asked of Snakemake beyond its documented interface, with the oldest and the newest allowed."""

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
import snakemake
from packaging.version import Version
from projects import LONG, PROJECT, Process, copy_project, write_config
from trees import write_clothing1m

REQUIREMENT = r"snakemake>=([\d.]+),<([\d.]+)"
OLDEST, BEYOND = re.findall(REQUIREMENT, (PROJECT / "requirements.in").read_text())[0]
CLASSES = "results/tiny/catalogue/tiny.classes.txt"
TRAINED = "results/tiny/models/tiny/pretrain_auxiliary/seed0_ranks2/auxiliary.safetensors"
CHECKPOINTS = "results/tiny/checkpoints/tiny/{}/seed0_ranks2/0a"
Run = Callable[..., Process]
MODULE = """
module mct:
    snakefile: "{snakefile}"
    {option}
    config: config

use rule * from mct as mct_*

use rule list_classes from mct as mct_list_classes with:
    threads: 1

onstart:
    print("the start of another workflow")
"""


@pytest.fixture(scope="module", params=["newest", pytest.param("oldest", marks=LONG)])
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an interpreter with the newest Snakemake, this one, or with the oldest.

    The latter sees all other packages of this one.
    """
    if request.param == "newest":
        return Path(sys.executable)
    folder = tmp_path_factory.mktemp("oldest") / "venv"
    uv = [shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"]
    own = folder / "bin/python"
    for step in (
        ["venv", "--quiet", "--python", sys.executable, folder],
        ["pip", "install", "--quiet", "--python", own, f"snakemake=={OLDEST}.0"],
    ):
        subprocess.run([*uv, *map(str, step)], check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "all_others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return own


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a copy of the project with a data set and a configuration of its own."""
    folder = copy_project(tmp_path / "project")
    write_config(folder / "tiny.yaml", write_clothing1m(folder / "data"))
    return folder


@pytest.fixture
def snakemake_run(python: Path, project: Path) -> Run:
    """Return a function that runs Snakemake in the project."""

    def run(*arguments: object, folder: Path = project) -> Process:
        options = ("--cores", 2, "--configfile", project / "tiny.yaml")
        command = [python, "-m", "snakemake", *arguments, *options]
        return subprocess.run(
            list(map(str, command)), cwd=folder, capture_output=True, text=True, timeout=300
        )

    return run


def write_module(folder: Path, snakefile: object, option: str = "") -> Path:
    """Write a workflow that has this one as a module."""
    path = folder / "Snakefile"
    path.write_text(MODULE.format(snakefile=snakefile, option=option))
    return path


def test_the_allowed_versions_are_the_tested_ones(python: Path):
    found = subprocess.run(
        [python, "-m", "snakemake", "--version"], capture_output=True, text=True, check=True
    )
    version = Version(found.stdout.strip())
    if python == Path(sys.executable):
        newest = Version(snakemake.__version__)
        assert version == newest
        assert Version(BEYOND) == Version(f"{newest.major}.{newest.minor + 1}")
    else:
        assert version == Version(f"{OLDEST}.0")


def test_a_forced_training_starts_afresh_and_a_fault_is_the_last_line(
    project: Path, snakemake_run: Run
):
    script = project / "workflow/scripts/build_catalogue.py"
    begin = "def main() -> None:\n"
    script.write_text(script.read_text().replace(begin, f"{begin}    raise RuntimeError('boom')\n"))
    forced, other = (
        project / CHECKPOINTS.format(name) for name in ("pretrain_auxiliary", "clean_noisy")
    )
    for folder in (forced, other):
        folder.mkdir(parents=True)
    run = snakemake_run(TRAINED, "--forcerun", "pretrain_auxiliary")
    assert run.returncode == 1, run.stderr
    log = "results/tiny/logs/tiny/build_catalogue.log"
    last = f"error: RuntimeError: boom (build_catalogue, exit code 1; log: {log})"
    assert run.stderr.splitlines()[-1] == last
    assert (forced.is_dir(), other.is_dir()) == (False, True)


def test_a_dry_run_warns_of_what_a_run_would_refuse(tmp_path: Path, project: Path, snakemake_run):
    """In a module, whose rules have other names."""
    write_module(tmp_path, project / "Snakefile")
    options = ("mct_suspects", "--config", "methods=[noise_only]")
    line = "methods: suspects are found by a calibrated pair; add mct (or mct_paper)"
    root = f"dataset={{root: {project / 'data'}}}"
    plan = snakemake_run(*options, root, "-n", folder=tmp_path)
    assert plan.returncode == 0, plan.stderr
    assert f"warning: {line}" in plan.stderr.splitlines()
    run = snakemake_run(*options, root, folder=tmp_path)
    assert (run.returncode, run.stderr.splitlines()[-1]) == (2, f"error: {line}")


def test_a_module_claims_its_results_and_its_prefix_is_refused(
    tmp_path: Path, project: Path, snakemake_run: Run
):
    """It is read twice, by each `use rule`."""
    write_module(tmp_path, project / "Snakefile")
    root = ("--config", f"dataset={{root: {project / 'data'}}}")
    run = snakemake_run(CLASSES, *root, folder=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "rule mct_list_classes" in run.stdout + run.stderr
    assert "the start of another workflow" in run.stdout + run.stderr
    assert (tmp_path / "results/tiny/config.yaml").is_file()
    write_module(tmp_path, project / "Snakefile", 'prefix: "sub"')
    run = snakemake_run("-n", *root, folder=tmp_path)
    assert run.stderr.splitlines()[-1].startswith("error: module: `prefix` moves outputs only")


def test_a_submitted_job_reads_the_lists_no_more(project: Path, snakemake_run: Run):
    """As the Slurm plugin starts it; what the lists say is with the results."""
    run = snakemake_run(CLASSES)
    assert run.returncode == 0, run.stderr
    (project / "data/noisy_train_key_list.txt").unlink()
    job = ("--mode", "remote", "--target-jobs", "list_classes:dataset=tiny", "--nolock", "--force")
    run = snakemake_run(CLASSES, *job)
    assert run.returncode == 0, run.stderr
    run = snakemake_run(CLASSES, "-n")
    assert run.returncode == 2, run.stderr


def test_every_rule_has_a_log_and_an_environment(snakemake_run: Run):
    run = snakemake_run("--lint")
    assert run.returncode == 0, run.stdout + run.stderr
