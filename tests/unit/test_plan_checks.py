"""What the plan finds in lists before any job, and that nobody finds it twice."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from projects import PROJECT
from samples import dataset_settings
from trees import TREES, write_lines

from mct.base.errors import UserError
from mct.cluster.results_folder import begin
from mct.data.catalogue import build_catalogue, source_digest
from mct.data.layouts.registry import open_layout
from mct.experiment.experiment import Experiment
from mct.labels.settings import NoiseSettings

GIVEN = {
    "experiment": "made",
    "images": {"size": 16, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]},
    "mct": {"confusion": "estimated"},
}
DAY = 86400.0
LISTS = (".txt", ".csv", ".pt", ".tsv", ".parquet", ".tar")
"""Endings of files that list pictures."""
WHOLE = ("cifar_n", "parquet", "webdataset")
"""Layouts whose files hold many pictures each."""


def config_of(root: Path, layout: str, **dataset: object) -> dict:
    """Return a configuration of a tree that gives all that has no default."""
    if layout == "food101n":
        dataset["test_root"] = str(root / "food-101")
    section = {"name": "made", "layout": layout, "root": str(root), "noise_rate": 0.3, **dataset}
    return {**GIVEN, "results": str(root.parent / "results"), "dataset": section}


def make_old(root: Path) -> Path:
    """Give a tree times of yesterday, as lists have that nobody is about to change."""
    for path in (root, *root.rglob("*")):
        os.utime(path, times=(time.time() - DAY,) * 2)
    return root


@pytest.mark.parametrize("layout", [name for name in TREES if name not in WHOLE])
def test_a_missing_or_unlabelled_picture_ends_the_plan(tmp_path, layout):
    root = TREES[layout](tmp_path / "data")
    config = config_of(root, layout)
    Experiment(config).check_paths()
    if layout in ("image_folder", "animal10n"):  # whose folders are the list
        empty = root / ("test" if layout == "image_folder" else "training")
        for picture in empty.rglob("*.jpg"):
            picture.unlink()
        expected = "set is empty"
    else:
        sorted(root.rglob("*.jpg"))[-1].unlink()
        expected = r"dataset: 1 of \d+ listed pictures are not there: "
    with pytest.raises(UserError, match=expected):
        Experiment(config).check_paths()


@pytest.mark.parametrize(
    ("file", "line", "expected"),
    [
        ("clean_test_key_list.txt", "images/n/0000.jpg", "1 keys are in test and in training"),
        ("noisy_label_kv.txt", "images/n/0000.jpg 9", "label 9 is outside 0 to 2"),
        ("noisy_label_kv.txt", "images/n/0000.jpg", "expected `key label`"),
        (
            "noisy_train_key_list.txt",
            "images/n/9.jpg",
            "1 keys of noisy_train_key_list.txt have no",
        ),
        ("noisy_train_key_list.txt", "../9.jpg", "expected paths below the data set's folder"),
        ("clean_val_key_list.txt", "images/t/0000.jpg", "1 keys are in test and in validation"),
    ],
)
def test_a_wrong_list_ends_the_plan(tmp_path, file, line, expected):
    root = TREES["clothing1m"](tmp_path / "data")
    with (root / file).open("a") as lists:
        lists.write(f"{line}\n")
    with pytest.raises(UserError, match=expected):
        Experiment(config_of(root, "clothing1m")).check_paths()


def test_a_class_alone_and_an_empty_set_end_the_plan(tmp_path):
    root = TREES["clothing1m"](tmp_path / "data")
    write_lines(root / "clean_train_key_list.txt", [])
    with pytest.raises(UserError, match="the clean set is empty"):
        Experiment(config_of(root, "clothing1m")).check_paths()
    write_lines(root / "category_names_eng.txt", ["bars"])
    with pytest.raises(UserError, match="expected at least two classes, found 1: bars"):
        Experiment(config_of(root, "clothing1m")).check_paths()


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ({"synthetic_clean_fraction": 0.0001}, "the clean set is empty"),
        (
            {"synthetic_noise": {"kind": "symmetric"}},
            "needs either a rate or a matrix, got neither",
        ),
        (
            {"synthetic_noise": {"kind": "asymmetric", "matrix": "no.csv"}},
            "cannot be read as a table",
        ),
    ],
)
def test_what_cannot_be_made_of_the_digits_ends_the_plan(dataset, expected):
    with pytest.raises(UserError, match=expected):
        Experiment({"dataset": dataset}).check_paths()


@pytest.mark.parametrize(
    ("noise", "expected"),
    [
        (
            {"kind": "symmetric", "rate": 0.2},
            "noisy pictures have no true label to make a wrong one",
        ),
        ({"kind": "instance_dependent", "rate": 0.2}, "noisy pictures have no true label to make"),
    ],
)
def test_noise_without_the_truth_ends_the_plan(tmp_path, noise, expected):
    root = TREES["clothing1m"](tmp_path / "data")
    with pytest.raises(UserError, match=expected):
        Experiment(config_of(root, "clothing1m", synthetic_noise=noise)).check_paths()


def test_noise_that_depends_on_pictures_is_planned_without_reading_them(tmp_path):
    root = TREES["table"](tmp_path / "data")
    table = root / "table.csv"
    rows = [line.split(",") for line in table.read_text().splitlines()]
    table.write_text("".join(f"{p},{label},{true or label},{s}\n" for p, label, true, s in rows))
    for picture in root.rglob("*.jpg"):
        picture.write_bytes(b"no picture")
    noise = {"kind": "instance_dependent", "rate": 0.2}
    Experiment(config_of(root, "table", synthetic_noise=noise)).check_paths()
    settings = dataset_settings(
        layout="table", root=str(root), synthetic_noise=NoiseSettings(**noise)
    )
    assert source_digest(open_layout(settings))


def test_a_job_checks_nothing(tmp_path):
    root = TREES["clothing1m"](tmp_path / "data")
    next(root.rglob("*.jpg")).unlink()
    Experiment(config_of(root, "clothing1m"), in_job=True).check_paths()


def test_the_check_of_files_can_be_left_to_the_job_and_reruns_nothing(tmp_path):
    root = TREES["clothing1m"](tmp_path / "data")
    with_check = Experiment(config_of(root, "clothing1m"))
    with_check.check_paths()
    without = Experiment(config_of(root, "clothing1m", check_files=False))
    assert without.catalogue_settings() == with_check.catalogue_settings()
    next(root.rglob("*.jpg")).unlink()
    without.check_paths()
    assert without.lists.source == with_check.lists.source
    with pytest.raises(UserError, match="listed pictures are not there"):
        build_catalogue(open_layout(dataset_settings(layout="clothing1m", root=str(root))))


@pytest.mark.parametrize("layout", TREES)
def test_a_plan_remembers_lists_until_one_changes(tmp_path, layout, reads):
    root, memory = TREES[layout](tmp_path / "data"), tmp_path / "memory"
    config = config_of(make_old(root), layout)
    for _ in range(2):
        Experiment(config, memory=memory).check_paths()
        assert len(reads) == 1
    assert not (tmp_path / "results").exists()
    pictures = sorted(root.rglob("*.jpg"))
    changed = pictures[0].parent if layout in ("image_folder", "animal10n") else next(
        path for path in sorted(root.rglob("*")) if path.suffix in LISTS
    )  # fmt: skip
    os.utime(changed)
    Experiment(config, memory=memory).check_paths()
    assert len(reads) == 2


def test_a_list_that_has_just_changed_is_read_again(tmp_path, reads):
    root = TREES["table"](tmp_path / "data")
    for count in (1, 2):
        Experiment(config_of(root, "table"), memory=tmp_path / "memory").check_paths()
        assert len(reads) == count


def test_an_error_is_not_remembered(tmp_path):
    root, memory = TREES["table"](tmp_path / "data"), tmp_path / "memory"
    gone = root / "pictures/3.jpg"
    data = gone.read_bytes()
    gone.unlink()
    config = config_of(make_old(root), "table")
    for _ in range(2):
        with pytest.raises(UserError, match=r"not there: pictures/3\.jpg"):
            Experiment(config, memory=memory).check_paths()
    gone.write_bytes(data)
    Experiment(config, memory=memory).check_paths()


def test_lists_whose_files_nobody_checked_are_checked_when_that_is_asked_for(tmp_path):
    root, memory = make_old(TREES["table"](tmp_path / "data")), tmp_path / "memory"
    (root / "pictures/3.jpg").unlink()
    make_old(root)
    Experiment(config_of(root, "table", check_files=False), memory=memory).check_paths()
    with pytest.raises(UserError, match=r"not there: pictures/3\.jpg"):
        Experiment(config_of(root, "table"), memory=memory).check_paths()


def test_the_catalogues_job_looks_for_files_only_where_the_workflow_did_not(tmp_path, monkeypatch):
    monkeypatch.setenv("MCT_RUN", "")
    root = make_old(TREES["table"](tmp_path / "data"))
    experiment = Experiment(config_of(root, "table"))
    experiment.check_paths()
    begin(experiment, [], tmp_path / "log", on_cluster=False)
    stamps = json.loads((tmp_path / "results/made/lists.json").read_text())["stamps"]
    (root / "pictures/3.jpg").unlink()
    changed, _ = stamps[str(root / "pictures")]
    os.utime(root / "pictures", ns=(changed, changed))  # so that no time shows it

    def job(*more: object) -> subprocess.CompletedProcess:
        options = ["--settings", experiment.catalogue_settings(), "--threads", 1, *more]
        script = PROJECT / "workflow/scripts/build_catalogue.py"
        command = [sys.executable, script, *options, "--output", tmp_path / "catalogue.tsv"]
        return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)

    assert job("--checked", tmp_path / "results/made/lists.json").returncode == 0
    by_hand = job()
    assert by_hand.returncode == 2
    assert "not there: pictures/3.jpg" in by_hand.stderr
    (root / "table.csv").touch()
    assert job("--checked", tmp_path / "results/made/lists.json").returncode == 2


def test_what_is_remembered_names_the_lists_and_their_times(tmp_path):
    root = make_old(TREES["clothing1m"](tmp_path / "data"))
    Experiment(config_of(root, "clothing1m"), memory=tmp_path / "memory").check_paths()
    [path] = (tmp_path / "memory").rglob("lists.json")
    found = json.loads(path.read_text())
    assert str(root / "noisy_label_kv.txt") in found["stamps"]
    assert found["class_counts"]["noisy"] and sum(found["class_counts"]["noisy"]) == 60


def test_more_shards_than_pictures_are_refused(tmp_path):
    """Each is a job, so that a slip of the finger would plan millions."""
    Experiment({"results": str(tmp_path), "shards": {"count": 1797}}).check_paths()
    with pytest.raises(UserError, match=r"shards\.count: expected at most 1797, .* got 1798"):
        Experiment({"results": str(tmp_path), "shards": {"count": 1798}}).check_paths()
