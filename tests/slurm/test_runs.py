"""A whole run through Slurm: what it computes, where its ranks ran, and what is refused."""

import csv
import json
import os
import re
import resource
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest
from kills import results_digest
from projects import PROJECT, change_config, run_snakemake
from trees import write_tree_of
from workflows import new_project, run_on_slurm, slurm

SECTIONS = {
    "methods": ["mct_paper"],
    "pretraining": {"epochs_auxiliary": 1, "epochs_primary": 2},
}
BASELINE = "results/tiny/models/tiny/clean_noisy/seed0_ranks2/primary.safetensors"
STARTS_OF_SNAKEMAKE = 5
"""A dry run takes no more processor time than so many starts of snakemake, of a second or two each."""


@pytest.fixture(scope="module")
def finished(up: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project that was run through Slurm, at 4 and at 8 ranks."""
    project = new_project(tmp_path_factory.mktemp("slurm") / "project", **SECTIONS, ranks=[4, 8])
    run = run_on_slurm(project, seconds=1800)
    assert run.returncode == 0, run.stdout + run.stderr
    return project


@pytest.fixture(scope="module")
def jobs(finished: Path) -> list[dict[str, str]]:
    with (finished / "results/tiny/jobs.tsv").open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def named(jobs: list[dict[str, str]], rule: str, run: str = "") -> dict[str, str]:
    """Return the job of a rule, and of a run of so many ranks, that did it."""
    return [job for job in jobs if job["rule"] == rule and job["run"].endswith(run)][-1]


def test_the_result_is_that_of_a_local_run(finished: Path, tmp_path: Path):
    local = new_project(tmp_path / "project", **SECTIONS, ranks=[4])
    run = run_snakemake(local, "--cores", 4, "--configfile", "tiny.yaml")
    assert run.returncode == 0, run.stdout + run.stderr
    ours, theirs = (results_digest(folder / "results/tiny") for folder in (finished, local))
    compared = {path for path in theirs if not path.startswith(("tables", "jobs"))}
    assert len(compared) > 15
    assert {path: ours[path] for path in compared} == {path: theirs[path] for path in compared}


def test_pretraining_jobs_have_ranks_in_the_ratio_of_work(jobs: list):
    own = [named(jobs, f"pretrain_{role}", "ranks8") for role in ("auxiliary", "primary")]
    # 18 clean pictures x 1 epoch and 60 noisy ones x 2.
    assert [int(job["ranks"]) for job in own] == [1, 7]


def test_pretraining_jobs_run_at_the_same_time(jobs: list):
    """In one run at least: a job whose first attempt failed is alone."""
    assert any(overlap(jobs, run) for run in ("ranks4", "ranks8"))


def overlap(jobs: list[dict[str, str]], run: str) -> bool:
    numbers = [named(jobs, f"pretrain_{role}", run)["job"] for role in ("auxiliary", "primary")]
    times = slurm("sacct", "-nXP", f"--jobs={','.join(numbers)}", "--format=Start,End").split()
    starts, ends = zip(*(line.split("|") for line in times), strict=True)
    return max(starts) < min(ends)


def test_calibration_is_one_job_on_two_nodes_with_pairs_together(finished: Path, jobs: list):
    job = named(jobs, "calibrate_pair", "ranks8")
    assert (job["nodes"], job["cpus"], job["ranks"]) == ("2", "8", "8")
    record = finished / "results/tiny/models/tiny/mct_paper/seed0_ranks8/record.json"
    pairs = json.loads(record.read_text())["pair_hosts"]
    assert len(pairs) == 4
    assert all(auxiliary == primary for auxiliary, primary in pairs)
    assert len({hosts[0] for hosts in pairs}) == 2


def test_every_job_is_listed_with_what_it_asked_for_and_used(jobs: list):
    rules = Counter(job["rule"] for job in jobs)
    assert rules["write_shard"] == 2
    assert (rules["evaluate_model"], rules["evaluate_pair"]) == (4, 2)
    assert all((job["state"] == "COMPLETED") == (job["reason"] == "") for job in jobs)
    queues = {job["rule"]: job["queue"] for job in jobs}
    assert queues["build_catalogue"] == queues["write_shard"] == "q_x86_share"
    assert queues["calibrate_pair"] == queues["pretrain_auxiliary"] == "q_sw_expr"
    calibration = named(jobs, "calibrate_pair", "ranks8")
    assert int(calibration["memory_used_mb"]) > 100
    assert int(calibration["run_seconds"]) > 0


def test_shards_are_one_array(jobs: list):
    numbers = [job["job"] for job in jobs if job["rule"] == "write_shard"]
    listed = slurm("sacct", "-nXP", f"--jobs={','.join(numbers)}", "--format=JobID").split()
    assert len({job.partition("_")[0] for job in listed}) == 1


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        (["--config", "ranks=[64]"], "q_sw_share gives at most max_nodes = 4, asked"),
        (
            ["--set-resources", "write_shard:slurm_partition=q_sw_expr", "write_shard:runtime=60"],
            "q_sw_expr gives at most max_runtime = 30 minutes, asked 60",
        ),
    ],
)
def test_more_than_a_queue_gives_is_refused_with_its_limit(
    tmp_path: Path, options: list[str], limit: str
):
    project = new_project(tmp_path / "project")
    run = run_on_slurm(project, *options)
    assert run.returncode == 2
    assert limit in run.stderr
    assert "Traceback" not in run.stderr
    assert not list(project.glob("results/tiny/jobs/*"))


def test_a_users_error_is_the_last_line_with_its_job_and_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """In an environment that is not activated."""
    own = str(Path(sys.executable).parent)
    path = os.environ["PATH"].split(os.pathsep)
    monkeypatch.setenv("PATH", os.pathsep.join(folder for folder in path if folder != own))
    project = new_project(tmp_path / "project")
    (project / "data/images/n/0003.jpg").write_bytes(b"no picture")
    (project / "data/images/n/0004.jpg").write_bytes(b"no picture")
    target = "results/tiny/shards/tiny/labels.parquet"
    run = run_on_slurm(project, target, "--retries", 1)
    assert run.returncode == 1
    last = run.stderr.splitlines()[-1]
    assert last.startswith("error: dataset: 2 of 60 noisy pictures cannot be used")
    log = "results/tiny/logs/tiny/quarantine_pictures.log"
    assert re.search(rf"\(quarantine_pictures, job \d+, \w+; log: {log}\)$", last)
    assert run.stderr.count("2 of 60 noisy pictures") == 1
    assert (project / log).read_text().endswith("(not tried again)\n")


@pytest.fixture
def sharded(prepared: Path, tmp_path: Path) -> Path:
    """Return a project in which everything is there that the baseline is trained on."""
    project = tmp_path / "project"
    shutil.copytree(prepared, project, symlinks=True)
    return project


def test_a_job_that_takes_more_memory_than_it_asked_for_says_so(sharded: Path):
    limits = ("--set-resources", "train_baseline:mem_mb_per_cpu=60", "train_baseline:runtime=5")
    long = ("--config", "pretraining={epochs_primary: 20000}")
    run = run_on_slurm(sharded, BASELINE, "--retries", 0, *limits, *long)
    assert run.returncode == 1
    last = run.stderr.splitlines()[-1]
    assert last.startswith("error: memory: more than the 120M it asked for (train_baseline, ")
    assert re.search(r"job \d+, \w+; log: \S+\)$", last)


def test_srun_starts_ranks_by_the_named_mpi(sharded: Path):
    """By `none`, which fits no MPI library: each rank is alone, and says what to set."""
    change_config(sharded, execution={"srun_mpi": "none"})
    run = run_on_slurm(sharded, BASELINE, "--retries", 0)
    assert run.returncode == 1
    assert "expected 2 MPI ranks, got 1" in run.stderr
    assert "execution.srun_mpi names srun's --mpi" in run.stderr


def test_a_local_run_in_a_persons_allocation_is_none_of_its_jobs(tmp_path: Path):
    """Its ranks are not steps: srun would wait for the cores of the step that the run is in."""
    project = new_project(tmp_path / "project")
    step = ("srun", "--ntasks=1", "--cpus-per-task=2", "--mem=6G", "--chdir", project)
    command = (*step, sys.executable, "-m", "snakemake", BASELINE, "--cores", 2)
    slurm(*command, "--configfile", "tiny.yaml")
    record = json.loads((project / BASELINE).with_name("record.json").read_text())
    assert record["ranks"] == 2
    assert not (project / "results/tiny/jobs").exists()


@pytest.mark.parametrize("name", ["config", "clothing1m", "webvision", "cifar10n_resnet34"])
def test_a_dry_run_through_the_profile_takes_seconds(tmp_path: Path, name: str):
    """The digits, two layouts with many pictures, and a net that learns on a GPU."""
    project, config = new_project(tmp_path / "project"), PROJECT / f"config/{name}.yaml"
    settings = (write_tree_of(config, tmp_path / "data"), "shards={count: 1}")  # of few pictures
    options = ("--configfile", config, "--config", *settings)
    began = processor_seconds()
    assert run_snakemake(project, "--version").returncode == 0
    start = processor_seconds()
    run = run_snakemake(project, "-n", "--profile", "slurm", *options)
    assert run.returncode == 0, run.stderr
    assert processor_seconds() - start < STARTS_OF_SNAKEMAKE * (start - began)
    for name in ("runtime=", "mem_mb_per_cpu=", "ranks=", "nodes="):
        assert name in run.stdout
    assert "runtime=<TBD>" not in run.stdout


def processor_seconds() -> float:
    """Return the processor time of all programs that this one has started."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
