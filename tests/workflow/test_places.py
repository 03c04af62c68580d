"""Where Snakemake is started from makes no difference: folder, environment, launcher, version."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.version import Version
from projects import PROJECT, Process, copy_project, run_snakemake

MODELS = "results/tiny/models/tiny"
CATALOGUE = "results/tiny/catalogue/tiny.classes.txt"
PLAIN_PATH = "/usr/local/bin:/usr/bin:/bin"
"""A PATH without the environment that Snakemake is installed in."""


@pytest.fixture
def moved(finished: Path, project: Path, tmp_path: Path) -> Path:
    """Return the finished project under another name, without the model of one rank."""
    folder = shutil.copytree(project, tmp_path / "moved", symlinks=True)
    shutil.rmtree(folder / MODELS / "pretrain_auxiliary")
    return folder


@pytest.fixture
def config(project: Path, tmp_path: Path) -> Path:
    """Return a configuration that names the project's data from anywhere."""
    settings = yaml.safe_load((project / "tiny.yaml").read_text())
    settings["dataset"]["root"] = str(project / "data")
    path = tmp_path / "anywhere.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def assert_refused(run: Process, expected: str) -> None:
    """Check that a run ended in one line, the last on the screen."""
    errors = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert run.returncode == 2, run.stdout + run.stderr
    assert len(errors) == 1, run.stderr
    assert expected in errors[0]
    assert run.stderr.splitlines()[-1] == errors[0]
    assert "Traceback" not in run.stderr


def test_a_checkout_in_another_folder_reruns_nothing(finished: Path, project: Path, tmp_path: Path):
    """Its Snakefile is named from elsewhere, and --directory names the folder of the results."""
    for name in ("Snakefile", "workflow", "config"):
        copy = shutil.copytree if (project / name).is_dir() else shutil.copy
        copy(project / name, tmp_path / name)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    options = ("--cores", 2, "--configfile", project / "tiny.yaml", "--directory", project)
    run = run_snakemake(elsewhere, "-n", "-s", tmp_path / "Snakefile", *options)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Nothing to be done" in run.stdout + run.stderr


@pytest.mark.parametrize("named", ["Snakefile", "directory"])
def test_results_lie_where_snakemake_runs(project: Path, config: Path, tmp_path: Path, named: str):
    """There is no configuration in that folder."""
    place = ("-s", project / "Snakefile") if named == "Snakefile" else ("--directory", tmp_path)
    started_in = tmp_path if named == "Snakefile" else project
    options = (*place, "--cores", 1, "--configfile", config)
    run = run_snakemake(started_in, CATALOGUE, *options)
    assert run.returncode == 0, run.stdout + run.stderr
    assert (tmp_path / CATALOGUE).read_text() == "stripes\nbars\nchecks\n"


def test_ranks_start_without_an_activated_environment(moved: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", PLAIN_PATH)
    target = f"{MODELS}/clean_noisy/seed0_ranks2/primary.safetensors"
    (moved / target).unlink()
    run = run_snakemake(moved, target, "--cores", 2, "--configfile", "tiny.yaml")
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_stage_of_one_rank_is_no_rank_of_the_launcher_of_snakemake(moved: Path):
    mpiexec = Path(sys.executable).with_name("mpiexec")
    target = f"{MODELS}/pretrain_auxiliary/seed0_ranks2/auxiliary.safetensors"
    command = [mpiexec, "-n", "1", sys.executable, "-m", "snakemake", target, "--cores", "2"]
    run = subprocess.run(
        [*command, "--configfile", "tiny.yaml"], cwd=moved, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_launcher_that_starts_snakemake_several_times_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PMI_RANK", "1")
    monkeypatch.setenv("PMI_SIZE", "4")
    run = run_snakemake(project, "-n", "--cores", 2, "--configfile", "tiny.yaml")
    assert_refused(run, "snakemake was started 4 times by an MPI launcher; start it once")


def test_a_default_storage_provider_has_every_input_of_the_plan(snakemake, tmp_path: Path):
    """It looks for every relative path in its storage, where no file of the checkout is."""
    plan = snakemake(
        "-n", "--cores", 2, "--configfile", "tiny.yaml", "--config", f"results={tmp_path}"
    )
    assert plan.returncode == 0, plan.stderr
    inputs = re.findall(r"^    input: (.*)$", plan.stdout, re.MULTILINE)
    files = {file.split(" ")[0] for line in inputs for file in line.split(", ")}
    assert len(files) > 20
    assert {file for file in files if not file.startswith(str(tmp_path))} == set()


def test_an_older_snakemake_is_refused(project: Path):
    program = "import snakemake.common as c; c.__version__ = '8.30.0'; import snakemake.cli as s; s.main()"
    options = ("-n", "--cores", "2", "--configfile", "tiny.yaml")
    run = run_snakemake(project, *options, program=("-c", program))
    assert_refused(
        run, "Expecting Snakemake version 9.4 or higher (you are currently using 8.30.0)"
    )


def test_the_oldest_snakemake_is_that_of_the_requirements():
    [needed] = re.findall(r'min_version\("([\d.]+)"\)', (PROJECT / "Snakefile").read_text())
    [required] = re.findall(r"snakemake>=([\d.]+)", (PROJECT / "requirements.in").read_text())
    assert Version(needed) == Version(required)
    assert f"snakemake>={required}," in (PROJECT / "docs/clusters.md").read_text()


def test_a_profile_that_the_slurm_plugin_would_not_find_is_refused(
    project: Path, config: Path, tmp_path: Path
):
    options = ("--configfile", config, "--directory", tmp_path)
    run = run_snakemake(project, "-n", "--profile", "slurm", *options)
    assert_refused(run, f"slurm-partition-config: no such file: {tmp_path}/slurm/partitions.yaml")
    path = project / "profiles/slurm"
    run = run_snakemake(project, "-n", "--profile", path, *options)
    assert run.returncode == 0, run.stderr


def test_a_dry_run_knows_the_queues_of_a_default_profile(tmp_path: Path):
    project = copy_project(tmp_path / "project")
    profile = {"executor": "slurm", "jobs": 4, "slurm-partition-config": "queues.yaml"}
    queues = {"partitions": {"small": {"max_tasks": 1}}}
    for name, content in (("config", profile), ("queues", queues)):
        (project / f"profiles/default/{name}.yaml").write_text(yaml.safe_dump(content))
    plan = run_snakemake(project, "-n", "--config", "ranks=[4]")
    assert plan.returncode == 0, plan.stderr
    assert "warning: calibrate_pair: no queue takes it" in plan.stderr
    assert "small gives at most max_tasks = 1, asked 2" in plan.stderr
