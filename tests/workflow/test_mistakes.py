"""Mistakes of users end in one clear line and exit code 2, before anything is computed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from projects import PROJECT, Run, run_command
from trees import write_image_folder

from mct.base.errors import UserError
from mct.base.keys import parse
from mct.data.catalogue import build_catalogue
from mct.data.layouts.registry import open_layout
from mct.data.layouts.settings import DatasetSettings
from mct.experiment.configuration import resolve
from mct.experiment.experiment import Experiment
from mct.experiment.method import evaluation_sections
from mct.experiment.methods import TRAININGS

SCRIPTS = PROJECT / "workflow/scripts"
GIVEN = ("experiment=folder", "images={size: 16, mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2]}")
"""Keys that have a default for the digits only."""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            "dataset={noise_rate: 1.0}",
            "`dataset.noise_rate`: expected a number of at least 0 and below",
        ),
        ("dataset={noise_rate: -0.1}", "got -0.1"),
        ("ranks=[3]", "`ranks.0`: expected a whole number of at least 2 and divisible by 2, got 3"),
        (
            "calibration={epochs: 0}",
            "`calibration.epochs`: expected a whole number of at least 1, got 0",
        ),
        ("dataset={root: /nowhere}", "dataset.root: no such folder: /nowhere"),
        ("model={initial_weights: /no.pt}", "model.initial_weights: no such file: /no.pt"),
        (
            "model={name: alexnet}",
            "images.size: alexnet needs at least 64 pixels, got 16; take small_cnn",
        ),
    ],
)
def test_wrong_configuration_is_refused_by_the_plan(project: Path, monkeypatch, change, expected):
    monkeypatch.chdir(project)
    config = yaml.safe_load(Path("tiny.yaml").read_text())
    section, _, value = change.partition("=")
    changed = yaml.safe_load(value)
    config[section] = {**config.get(section, {}), **changed} if "{" in value else changed
    with pytest.raises(UserError) as refused:
        Experiment(config).check_paths()
    assert expected in str(refused.value)


def test_wrong_configuration_ends_the_plan_in_a_line(snakemake: Run):
    change = "calibration={temprature: 3}"
    run = snakemake("-n", "--cores", 2, "--configfile", "tiny.yaml", "--config", change)
    assert_refused(run, "unknown key `calibration.temprature`; did you mean `temperature`?")


def test_a_root_without_a_layout_is_refused(snakemake: Run):
    run = snakemake("-n", "--cores", 2, "--config", "dataset={root: /nowhere/at/all}")
    assert_refused(run, "dataset.root: layout digits does not use this key; leave it out, or set")


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        ("methods=[mct]", "mct.confusion: `counted` needs clean pictures whose observed label"),
        (
            "methods=[forward_finetuned]",
            "layout image_folder has none; set it to `solved`, `estimated` or `anchors`, or leave "
            "forward_finetuned",
        ),
    ],
)
def test_a_confusion_that_nothing_can_count_is_refused(snakemake: Run, tmp_path, methods, expected):
    write_image_folder(tmp_path / "data")
    dataset = f"name: folder, layout: image_folder, root: {tmp_path / 'data'}, noise_rate: 0.2"
    options = (f"dataset={{{dataset}}}", *GIVEN, methods)
    assert_refused(snakemake("-n", "--cores", 2, "--config", *options), expected)


def test_a_rate_that_nothing_can_count_is_refused(snakemake: Run, tmp_path):
    write_image_folder(tmp_path / "data")
    dataset = f"name: folder, layout: image_folder, root: {tmp_path / 'data'}, noise_rate: counted"
    run = snakemake("-n", "--cores", 2, "--config", f"dataset={{{dataset}}}", *GIVEN)
    assert_refused(run, "dataset.noise_rate: `counted` needs clean pictures whose observed label")


@pytest.mark.parametrize(
    "target",
    [
        "catalogue/other.tsv",
        "models/other/mct_paper/seed0_ranks2/primary.safetensors",
        "models/tiny/mct_paper/seed0_ranks3/primary.safetensors",
        "models/tiny/mct_paper/seed00_ranks2/primary.safetensors",
        "shards/tiny/0-0002.h5",
        "shards/tiny/1-0000.h5",
        "suspects/tiny/0-0002.h5",
        "inspection/tiny/0-0001.tsv",
        "performance/scaling/ranks3.json",
        "figures/training_clean_noisy.svg",
    ],
)
def test_a_result_of_another_name_has_no_rule(snakemake: Run, target: str):
    run = snakemake("-n", f"results/tiny/{target}", "--cores", 2, "--configfile", "tiny.yaml")
    assert run.returncode == 1, run.stdout + run.stderr
    assert "MissingRuleException" in run.stdout + run.stderr


def test_results_next_to_those_of_the_table_have_rules(snakemake: Run):
    targets = [
        "models/tiny/mct/seed12_ranks12/primary.safetensors",
        "shards/tiny/0-0001.h5",
        "shards/tiny/labels.parquet",
        "performance/scaling/ranks6.json",
    ]
    files = [f"results/tiny/{target}" for target in targets]
    run = snakemake("-n", *files, "--cores", 2, "--configfile", "tiny.yaml")
    assert run.returncode == 0, run.stderr
    assert all(file in run.stdout for file in files)


def assert_refused(run: subprocess.CompletedProcess, expected: str) -> None:
    assert run.returncode == 2, run.stderr
    errors = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert expected in errors[0]
    assert "Traceback" not in run.stderr


def assert_no_catalogue(tree: Path, expected: str) -> None:
    settings = {
        "layout": "clothing1m", "root": str(tree), "measuring_labels": None, "seed": 0,
        "synthetic_noise_rate": 0.0, "synthetic_clean_fraction": 0.1,
    }  # fmt: skip
    with pytest.raises(UserError) as refused:
        build_catalogue(open_layout(parse(DatasetSettings, settings)))
    assert expected in str(refused.value)


def script(
    name: str, *options: object, launcher: tuple[str, ...] = ()
) -> subprocess.CompletedProcess:
    python = [sys.executable, "-m", "mpi4py"] if launcher else [sys.executable]
    command = [*launcher, *python, SCRIPTS / name, *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("file", "line", "expected"),
    [
        ("clean_test_key_list.txt", "images/n/0000.jpg", "1 keys are in test and in training"),
        ("noisy_label_kv.txt", "images/n/0000.jpg 9", "label 9 is outside 0 to 2"),
        ("noisy_label_kv.txt", "images/n/0000.jpg", "expected `key label`"),
    ],
)
def test_wrong_lists_are_refused(tree, file, line, expected):
    with (tree / file).open("a") as lists:
        lists.write(f"{line}\n")
    assert_no_catalogue(tree, expected)


@pytest.mark.parametrize(("file", "kind"), [("noisy_label_kv.txt", 0), ("clean_label_kv.txt", 0)])
def test_a_key_with_two_labels_is_refused(tree, file, kind):
    key, label = (tree / file).read_text().splitlines()[kind].split()
    with (tree / file).open("a") as lists:
        lists.write(f"{key} {(int(label) + 1) % 3}\n")
    assert_no_catalogue(tree, f"key {key} has two labels")


def test_missing_pictures_are_counted_and_named(tree):
    gone = sorted((tree / "images/t").iterdir())[:5]
    for path in gone:
        path.unlink()
    named = ", ".join(f"images/t/{path.name}" for path in gone[:3])
    assert_no_catalogue(tree, f"5 of 99 listed pictures are not there: {named}, and 2 more")


def test_an_empty_clean_set_is_refused(tree):
    (tree / "clean_train_key_list.txt").write_text("")
    assert_no_catalogue(tree, "the clean set is empty")


@pytest.mark.parametrize("name", ["train_model.py", "calibrate_pair.py"])
def test_a_world_of_another_size_is_refused(name, tmp_path):
    method = {"train_model.py": "pretrain_primary", "calibrate_pair.py": "mct"}[name]
    settings = json.dumps(TRAININGS[method].settings(resolve({}), 0))
    common = ["--stage", "x", "--ranks", 4, "--settings", settings, "--execution", "x"]
    common += ["--labels", "x", "--checkpoints", tmp_path]
    own = {
        "train_model.py": ["--role", "primary", "--start", "--evidence"],
        "calibrate_pair.py": [
            "--noise", "x", "--confusion", "x", "--auxiliary", "x", "--primary", "x",
        ],
    }  # fmt: skip
    options = [*common, *own[name], "--output", tmp_path]
    run = script(name, *options, launcher=("mpiexec", "-n", "2"))
    assert_refused(run, "expected 4 MPI ranks, got 2")


@pytest.mark.parametrize(
    ("results", "weights", "message"),
    [
        ("nothing", "one/no.safetensors", "nothing: expected an experiment's folder of results"),
        ("done", "no.safetensors", "record.json: no such file; weights need the record"),
        ("done", "one/no.safetensors", "one/no.safetensors: cannot be read as weights"),
    ],
)
def test_a_wrong_file_for_predictions_ends_in_a_line(project, results, weights, message):
    for folder in ("done/catalogue", "one"):
        (project / folder).mkdir(exist_ok=True, parents=True)
    (project / "done/config.yaml").write_text(yaml.safe_dump(resolve({}), sort_keys=False))
    (project / "done/catalogue/digits.classes.txt").write_text("cat\ndog\n")
    settings = json.dumps({"settings": evaluation_sections(resolve({}))})
    (project / "one/record.json").write_text(settings)
    run = run_command(project, "predict", results, "data", "--weights", weights)
    assert run.returncode == 2
    assert run.stderr.startswith(f"error: {message}"), run.stderr
    assert len(run.stderr.splitlines()) == 1
