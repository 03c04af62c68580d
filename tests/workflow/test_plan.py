"""What can be seen without running anything: lint, dry runs, the plan."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from projects import PROJECT, Run, run_snakemake
from trees import write_tree_of

from mct.experiment.configuration import resolve
from mct.experiment.methods import rows_of


def test_lint_is_clean(snakemake: Run):
    lint = snakemake("--lint")
    assert lint.returncode == 0, lint.stderr
    assert "good condition" in lint.stderr


def test_four_ranks_plan_two_pretraining_jobs_of_different_size(snakemake: Run):
    plan = snakemake("-n", "--cores", 4, "--config", "ranks=[4]")
    assert plan.returncode == 0, plan.stderr
    ranks = {
        rule: resource(plan.stdout, rule, "ranks")
        for rule in ("pretrain_auxiliary", "pretrain_primary")
    }
    assert ranks == {"pretrain_auxiliary": 1, "pretrain_primary": 3}
    assert resource(plan.stdout, "calibrate_pair", "ranks") == 4
    assert resource(plan.stdout, "calibrate_pair", "tasks") == 2


def test_variants_train_anew_only_what_they_change(snakemake: Run):
    variants = (
        "{long_ma: {of: mct, pretraining: {epochs_auxiliary: 9}},"
        " weighed: {of: cleannet, optimizer: {momentum: 0.5}}, verified: {of: cleannet_compute}}"
    )
    keys = ["seeds=[0]", "methods=[mct]", f"variants={variants}"]
    plan = snakemake("-n", "--cores", 4, "--config", *keys)
    assert plan.returncode == 0, plan.stderr
    rows = [line.split() for line in plan.stdout.rpartition("\n\n")[2].splitlines()]
    jobs = {row[0]: int(row[1]) for row in rows[1:-1]}
    assert (jobs["write_shard"], jobs["label_pictures"], jobs["estimate_noise"]) == (2, 1, 1)
    assert (jobs["pretrain_auxiliary"], jobs["pretrain_primary"]) == (2, 2)
    assert (jobs["calibrate_pair"], jobs["score_labels"], jobs["train_baseline"]) == (2, 2, 2)
    assert "models/digits/pretrain_auxiliary_long_ma/" in plan.stdout
    assert "models/digits/pretrain_primary_weighed/" in plan.stdout


def test_a_dry_run_says_once_which_jobs_no_queue_takes(snakemake: Run):
    plan = snakemake("-n", "--profile", "slurm", "--config", "ranks=[1024]", "seeds=[0, 1]")
    assert plan.returncode == 0, plan.stderr
    warnings = [line for line in plan.stderr.splitlines() if line.startswith("warning: ")]
    [calibration] = [line for line in warnings if line.startswith("warning: calibrate_pair: ")]
    assert "q_sw_share gives at most max_mpi_tasks = 512, asked 1024" in calibration
    assert "max_runtime" not in calibration
    assert calibration.endswith("; the queues carry at most 512 ranks")


def test_under_a_dry_run_stands_what_the_plan_comes_to(snakemake: Run):
    """A table of the jobs that a cluster gets; on this machine a line."""
    plan = snakemake("-n", "--profile", "slurm")
    assert plan.returncode == 0, plan.stderr
    assert "warning: " not in plan.stderr
    header, *rows, total = plan.stdout.rpartition("\n\n")[2].splitlines()
    assert header.split() == [
        "job",
        "jobs",
        "ranks",
        "nodes",
        "cores/rank",
        "pieces",
        "hours",
        "GB",
    ]
    found = {row.split()[0]: row.split()[1:] for row in rows}
    assert found["calibrate_pair"][:5] == ["6", "2", "1", "1", "1"]
    assert found["write_shard"][:2] == ["2", "-"]
    assert list(found).index("write_shard") < list(found).index("pretrain_primary")
    assert "tabulate_accuracy" not in found
    assert re.match(
        r"total: \d+ jobs, [\d.]+ core hours, [\d.]+ hours on the longest path, ", total
    )
    local = snakemake("-n", "--cores", 4).stdout.splitlines()
    assert re.fullmatch(r"total: [\d.]+ core hours of work, [\d.]+ GB of disk", local[-1])
    assert "total: " not in snakemake("--rulegraph").stdout
    assert "total: " not in snakemake("-n", "--cores", 4, "--quiet", "all").stdout


def test_jobs_of_ranks_name_their_queue_where_nodes_differ(snakemake: Run, tmp_path):
    small, large = ({"max_nodes": 4, "max_cpus_per_task": cores} for cores in (2, 16))
    queues = {"serial": {"max_mpi_tasks": 0}, "small": {**small, "max_tasks": 1}, "large": large}
    path = tmp_path / "partitions.yaml"
    path.write_text(yaml.safe_dump({"partitions": queues}, sort_keys=False))
    options = ("--slurm-partition-config", path, "--config", "ranks=[4]")
    plan = snakemake("-n", "--profile", "slurm", *options)
    assert plan.returncode == 0, plan.stderr
    assert "slurm_partition=large" in resources(plan.stdout, "calibrate_pair")
    assert "slurm_partition" not in resources(plan.stdout, "inspect_pictures")
    assert "slurm_partition" not in snakemake("-n", "--profile", "slurm").stdout


@pytest.mark.parametrize(
    ("target", "change", "expected"),
    [
        ("suspects", "methods=[noise_only]", "methods: suspects are found by a calibrated pair"),
        ("performance", "scaling={size: 32}", "scaling.size: alexnet needs at least 64 pixels"),
    ],
)
def test_a_dry_run_says_what_a_run_refuses(snakemake: Run, target, change, expected):
    plan = snakemake("-n", target, "--cores", 2, "--config", change)
    assert plan.returncode == 0, plan.stderr
    assert f"warning: {expected}" in plan.stderr
    run = snakemake(target, "--cores", 2, "--config", change)
    assert run.returncode == 2, run.stderr
    errors = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert expected in errors[0]


def test_an_export_says_in_the_plan_what_it_leaves_out_and_only_an_export(project: Path):
    """Where a package is not installed; the job is made again when it is."""
    program = "import sys; sys.modules['onnx'] = None; import snakemake.cli; snakemake.cli.main()"
    note = "note: export: model.onnx is left out, since onnx is not installed: pip install onnx"
    for target, expected in (("export", 1), ("all", 0)):
        arguments = (target, "-n", "--cores", 2, "--config", "seeds=[0]")
        plan = run_snakemake(project, *arguments, program=("-c", program))
        assert plan.returncode == 0, plan.stderr
        assert plan.stderr.splitlines().count(note) == expected
        assert ("rule export_model:" in plan.stdout) == bool(expected)


def test_a_dry_run_says_which_model_would_learn_nothing(snakemake: Run):
    """It is a warning: pretraining has learned, and the row of the table says it."""
    plan = snakemake("-n", "--cores", 4, "--config", "dataset={noise_rate: 0.99}")
    assert plan.returncode == 0, plan.stderr
    warnings = [line for line in plan.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1
    assert warnings[0].startswith("warning: mct_paper: Ma is not trained during calibration")
    assert "is selected (M = 0, Eq. 1)" in warnings[0]


def test_a_results_folder_may_be_spelled_in_any_way(snakemake: Run):
    plan = snakemake("-n", "--cores", 2, "--config", "results=./out/")
    assert plan.returncode == 0, plan.stderr
    assert " out/digits/catalogue/digits.tsv" in plan.stdout
    assert "This is" not in plan.stdout + plan.stderr  # unintended, or redundant


def resource(plan: str, rule: str, name: str) -> int:
    """Return a resource that a dry run states for a rule."""
    stated = resources(plan, rule).split(", ")
    return int(dict(entry.split("=", 1) for entry in stated)[name])


def resources(plan: str, rule: str) -> str:
    """Return the resources that a dry run states for a rule."""
    return plan.split(f"rule {rule}:")[1].split("resources: ")[1].splitlines()[0]


@pytest.mark.parametrize(
    "config", sorted((PROJECT / "config").glob("*.yaml")), ids=lambda path: path.stem
)
def test_every_config_has_a_plan(snakemake: Run, config, tmp_path):
    """As it is, but for the number of shards: the tree has fewer pictures."""
    changes = (write_tree_of(config, tmp_path), "shards={count: 1}")
    plan = snakemake("-n", "--cores", 4, "--configfile", config, "--config", *changes)
    assert plan.returncode == 0, plan.stderr
    assert "rule calibrate_pair" in plan.stdout
    assert "norm_samples" not in plan.stderr
    resolved = resolve(yaml.safe_load(config.read_text()))
    for method in rows_of(resolved):
        for ranks in resolved["ranks"]:
            assert f"/{method}/seed{resolved['seeds'][0]}_ranks{ranks}/primary" in plan.stdout


def test_environment_file_pins_what_requirements_pin():
    text = (PROJECT / "workflow/envs/mct.yaml").read_text()
    assert "-r ../../requirements.txt" in text
    assert (PROJECT / "workflow/envs/../../requirements.txt").is_file()


def test_schema_and_reference_of_the_configuration_are_those_of_the_definitions(tmp_path):
    files = {"--schema": "workflow/schemas/config.schema.json", "--reference": "config/README.md"}
    options = [word for flag in files for word in (flag, tmp_path / flag)]
    command = [sys.executable, "workflow/tools/describe_config.py", *options]
    subprocess.run(command, cwd=PROJECT, check=True)
    for flag, file in files.items():
        assert (tmp_path / flag).read_text() == (PROJECT / file).read_text()
