"""What a rerun does, read from dry runs: exactly what a change touches, and what follows."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from projects import LONG, planned, run_snakemake
from trees import SIZES

from mct.data.imagesets import open_set
from mct.data.label_table import read_index

STORING = {"inspect_pictures", "write_shard", "index_shard"}
LABELLING = {"build_catalogue", "quarantine_pictures", "label_pictures"}
TRAINING = {"pretrain_auxiliary", "pretrain_primary", "train_baseline", "calibrate_pair"}
PLOTTING = {"plot_training", "plot_selection", "plot_curves"}
REPORTING = {
    "tabulate_accuracy", "tabulate_recall", "plot_accuracy", "plot_confusion", "write_summary",
    *PLOTTING,
}  # fmt: skip
EVALUATION = {"evaluate_model", "evaluate_pair"}
AFTER_CALIBRATION = {"calibrate_pair", "evaluate_pair", "tabulate_scaling", *REPORTING}
NOISE = {"estimate_noise_by_models", "tabulate_noise"}
AFTER_LABELS = {
    *LABELLING,
    "tabulate_pictures",
    "estimate_noise",
    *NOISE,
    *TRAINING,
    "tabulate_scaling",
    *EVALUATION,
    *REPORTING,
}
ESTIMATE = "results/tiny/models/tiny/pretrain_primary/seed0_ranks2/confusion_estimated.json"
LIBRARY = "workflow/scripts/mct"


@contextmanager
def edited(path: Path, old: str, new: str) -> Iterator[None]:
    """Replace text in a file for a while."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    try:
        yield
    finally:
        path.write_text(text)


def test_nothing_is_done_twice(finished, snakemake):
    assert planned(snakemake) == set()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "calibration:\n  epochs: 2",
            "calibration:\n  epochs: 2\n  temperature: 3.0",
            AFTER_CALIBRATION,
        ),
        (
            "noise_rate: 0.3",
            "noise_rate: 0.2",
            {"estimate_noise", "tabulate_noise", *AFTER_CALIBRATION},
        ),
        (
            "epochs_auxiliary: 4",
            "epochs_auxiliary: 5",
            {"pretrain_auxiliary", "evaluate_model", *NOISE, *AFTER_CALIBRATION},
        ),
        (
            "seeds: [0]",
            "inspection: {most_pixels: 1000000}",
            (STORING | AFTER_LABELS) - {"build_catalogue"},
        ),
        ("seeds: [0]", "execution: {prefetch_batches: 0, threads_per_rank: 2}", set()),
    ],
    ids=["temperature", "noise rate", "epochs", "inspection", "execution"],
)
def test_a_changed_setting_reruns_what_uses_it(finished, snakemake, project, old, new, expected):
    config = project / "tiny.yaml"
    text = config.read_text() + "seeds: [0]\n"
    changed = project / "changed.yaml"
    changed.write_text(text.replace(old, new))
    assert changed.read_text() != text
    assert planned(snakemake, configfile="changed.yaml") == expected


def test_a_corrected_label_reruns_no_inspection_and_no_shard(finished, snakemake, project):
    with edited(project / "data/noisy_label_kv.txt", "images/n/0059.jpg 0", "images/n/0059.jpg 1"):
        assert planned(snakemake) == AFTER_LABELS


def review(project: Path) -> str:
    """Write a review of noisy pictures that are not clean, and the configuration with it."""
    (project / "review.csv").write_text(
        "key,label,decision\nimages/n/0050.jpg,bars,other\nimages/n/0051.jpg,2,other\n"
        "images/n/0052.jpg,?,\n"
    )
    text = (project / "tiny.yaml").read_text()
    reviewed = text.replace("dataset:\n", "dataset:\n  reviews: [review.csv]\n")
    (project / "reviewed.yaml").write_text(reviewed)
    return "reviewed.yaml"


def test_a_review_reruns_labels_and_trainings_but_no_list_inspection_or_shard(
    finished, snakemake, project
):
    config = review(project)
    expected = AFTER_LABELS - {"build_catalogue"} | {"apply_reviews"}
    assert planned(snakemake, configfile=config) == expected
    (project / "review.csv").write_text("key,label\nimages/n/0050.jpg,\n")  # nothing is decided
    assert planned(snakemake, configfile=config) == set()
    assert planned(snakemake) == set()


def test_what_counts_wrong_labels_goes_by_the_lists_without_reviews(finished, snakemake, project):
    targets = ("results/tiny/noise/tiny.json", ESTIMATE)
    plan = snakemake("-n", *targets, "--cores", 2, "--configfile", review(project))
    inputs = dict(re.findall(r"^(?:local)?rule (\w+):\n +input: (.*)$", plan.stdout, re.M))
    assert "results/tiny/catalogue/tiny.tsv" in inputs["estimate_noise"].split(", ")
    assert "results/tiny/shards/tiny/listed.parquet" in inputs["estimate_confusion"].split(", ")
    assert "results/tiny/shards/tiny/labels.parquet" in inputs["pretrain_primary"].split(", ")
    assert "results/tiny/catalogue/tiny.reviewed.tsv" in inputs["label_pictures"].split(", ")


@LONG
def test_reviews_train_and_change_no_count_of_wrong_labels(copied):
    """Counted ones, and those that a model of the noisy labels estimates from the clean pictures (GLC)."""
    targets, found = ("results/tiny/noise/tiny.json", ESTIMATE), []
    for config in ("tiny.yaml", review(copied)):
        run = run_snakemake(copied, *targets, "--cores", 2, "--configfile", config)
        assert run.returncode == 0, run.stdout + run.stderr
        found.append([(copied / path).read_bytes() for path in targets])
    assert found[0] == found[1]
    assert json.loads(found[0][0])["matrix_samples"] == SIZES["clean"]
    shards = copied / "results/tiny/shards/tiny"
    (copied / "review.csv").rename(copied / "renamed.csv")
    text = (copied / "reviewed.yaml").read_text().replace("review.csv", "renamed.csv")
    (copied / "reviewed.yaml").write_text(text)
    again = run_snakemake(copied, "-n", *targets, "--cores", 2, "--configfile", config)
    assert "Nothing to be done" in again.stdout + again.stderr
    reviewed = read_index(shards / "labels.parquet")
    assert reviewed["samples"] == {**SIZES, "clean": SIZES["clean"] + 2}
    assert read_index(shards / "listed.parquet")["samples"] == SIZES
    joined = open_set("clean", shards / "labels.parquet")
    labels = dict(zip(joined.keys().tolist(), joined.label.tolist(), strict=True))
    assert (labels[b"images/n/0050.jpg"], labels[b"images/n/0051.jpg"]) == (1, 2)
    noisy = open_set("noisy", shards / "labels.parquet")
    assert len(noisy) == SIZES["noisy"] and noisy.in_clean.sum() == SIZES["clean"] + 2


def test_another_split_of_clean_pictures_reruns_no_inspection_and_no_shard(
    finished, snakemake, project
):
    """A picture less in the clean set."""
    with edited(project / "data/clean_train_key_list.txt", "images/n/0003.jpg\n", ""):
        assert planned(snakemake) == AFTER_LABELS


def test_synthetic_noise_reruns_no_inspection_and_no_shard(finished, snakemake, project):
    config = (project / "tiny.yaml").read_text()
    true = [f"images/n/{number:04d}.jpg 0" for number in range(SIZES["clean"], SIZES["noisy"])]
    (project / "data/truth.txt").write_text("\n".join(true) + "\n")
    noise = "  measuring_labels: data/truth.txt\n  synthetic_noise: {kind: symmetric, rate: 0.2}\n"
    (project / "noise.yaml").write_text(config.replace("dataset:\n", f"dataset:\n{noise}"))
    assert planned(snakemake, configfile="noise.yaml") == AFTER_LABELS | {"list_classes"}


def append_pictures(project: Path, count: int) -> None:
    """List new noisy pictures, which are turned copies of those that are there."""
    names = [f"images/n/{1000 + number}.jpg" for number in range(count)]
    for number, name in enumerate(names):
        with Image.open(project / f"data/images/n/{number:04d}.jpg") as picture:
            picture.rotate(90).save(project / "data" / name)
    for file, label in (("noisy_train_key_list", ""), ("noisy_label_kv", " 1")):
        path = project / f"data/{file}.txt"
        path.write_text(path.read_text() + "".join(f"{name}{label}\n" for name in names))


def test_appended_pictures_are_stored_and_nothing_else_is(copied):
    """And so with the appended ones taken away, or listed again in another order."""
    results, target = copied / "results/tiny", "results/tiny/shards/tiny/labels.parquet"
    stored = [*results.glob("inspection/*/*"), *results.glob("shards/*/*.h5")]
    before = {path: path.stat().st_mtime_ns for path in stored}
    options = (target, "--cores", 2, "--configfile", "tiny.yaml")
    append_pictures(copied, 7)
    run = run_snakemake(copied, *options)
    assert run.returncode == 0, run.stdout + run.stderr
    index = read_index(Path(copied, target))
    assert index["samples"] == {**SIZES, "noisy": 67}
    assert list(index["files"]) == ["0-0000.h5", "0-0001.h5", "1-0000.h5"]
    assert {path: path.stat().st_mtime_ns for path in stored} == before
    noisy = open_set("noisy", Path(copied, target))
    assert noisy.keys()[-7:].tolist() == [f"images/n/{1000 + n}.jpg".encode() for n in range(7)]
    with edited(copied / "data/noisy_train_key_list.txt", "images/n/1003.jpg\n", ""):
        assert not planned(partial(run_snakemake, copied)) & STORING
        assert run_snakemake(copied, *options).returncode == 0
    assert read_index(Path(copied, target))["samples"] == {**SIZES, "noisy": 66}
    lines = (copied / "data/noisy_train_key_list.txt").read_text().splitlines()
    lines.remove("images/n/1003.jpg")
    (copied / "data/noisy_train_key_list.txt").write_text("\n".join(lines[::-1]) + "\n")
    assert not planned(partial(run_snakemake, copied)) & STORING


def test_more_shards_are_written_of_the_same_inspection(finished, snakemake, project):
    text = (project / "tiny.yaml").read_text()
    (project / "more.yaml").write_text(text.replace("count: 2", "count: 3"))
    assert planned(snakemake, configfile="more.yaml") == (STORING | AFTER_LABELS) - {
        "build_catalogue", "inspect_pictures", "quarantine_pictures", "tabulate_pictures",
    }  # fmt: skip


def test_another_spelling_of_lists_and_of_their_folder_reruns_nothing(finished, snakemake, project):
    (project / "link").symlink_to("data")
    lists = {path: path.read_bytes() for path in (project / "data").glob("*.txt")}
    text = (project / "tiny.yaml").read_text()
    try:
        for path, data in lists.items():
            path.write_bytes(data.replace(b"\n", b"\r\n"))
        (project / "spelled.yaml").write_text(text.replace("root: data", "root: ./link/"))
        assert "./link/" in (project / "spelled.yaml").read_text()
        assert planned(snakemake, configfile="spelled.yaml") == set()
    finally:
        for path, data in lists.items():
            path.write_bytes(data)


def test_a_class_name_reruns_only_what_shows_it(finished, snakemake, project):
    with edited(project / "data/category_names_eng.txt", "bars", "columns"):
        assert planned(snakemake) == {
            "list_classes",
            "plot_confusion",
            "plot_selection",
            "tabulate_noise",
            "tabulate_pictures",
            "tabulate_recall",
            "write_summary",
        }


def test_touched_files_rerun_nothing(finished, snakemake, project):
    for path in (
        *(project / "data").glob("*.txt"),
        *project.rglob("*.smk"),
        *project.rglob("*.py"),
    ):
        path.touch()
    for path in (
        *finished.rglob("*.json"),
        *finished.rglob("*.h5"),
        project / "workflow/resources/published.tsv",
    ):
        os.utime(path)
    assert planned(snakemake) == set()


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (
            "calibration/coupling.py",
            "part = np.zeros(2)",
            "part = np.zeros((2,))",
            AFTER_CALIBRATION,
        ),
        (
            "learning/metrics.py",
            "TOP = 5",
            "TOP = 4",
            {*EVALUATION, *REPORTING} - PLOTTING,
        ),
        (
            "results/figures.py",
            '"epoch"',
            '"epochs"',
            {"plot_accuracy", "plot_confusion", *PLOTTING, "tabulate_pictures", "write_summary"},
        ),
        ("calibration/coupling.py", "import numpy as np", "# a remark\nimport numpy as np", set()),
        ("labels/selection.py", '"""Return M = max', '"""Give M = max', set()),
    ],
    ids=["calibration", "metrics", "figures", "comment", "docstring"],
)
def test_changed_code_reruns_the_stages_that_can_reach_it(
    finished, snakemake, project, file, old, new, expected
):
    with edited(project / LIBRARY / file, old, new):
        assert planned(snakemake) == expected


def test_an_update_of_the_code_can_be_kept_from_rerunning(finished, snakemake, project):
    with edited(project / LIBRARY / "data/catalogue.py", '"key", "path"', '"path", "key"'):
        assert planned(snakemake, "--rerun-triggers", "params", "input", "mtime") == set()
        assert planned(snakemake) == AFTER_LABELS


def test_one_stage_one_method_and_one_shard_can_be_asked_for(finished, snakemake):
    models = "results/tiny/models/tiny"
    forced = ["--forcerun", "calibrate_pair"]
    assert planned(snakemake, *forced) == AFTER_CALIBRATION
    assert planned(snakemake, "-f", f"{models}/clean_noisy/seed0_ranks2/primary.safetensors") == {
        "train_baseline"
    }
    assert planned(snakemake, "-f", "results/tiny/shards/tiny/0-0001.h5") == {"write_shard"}
    assert planned(snakemake, "--forcerun", "pretrain_primary", "--until", "pretrain_primary") == {
        "pretrain_primary"
    }


def test_a_second_workflow_on_the_same_results_is_refused(finished, project, snakemake):
    import fcntl

    with (finished / ".running").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        run = snakemake(
            "--cores", 2, "--configfile", "tiny.yaml", "-f", "results/tiny/noise/tiny.json"
        )
    assert run.returncode == 2, run.stdout + run.stderr
    assert "error: results: another workflow is running on results/tiny" in run.stderr
    assert "Traceback" not in run.stderr


def test_results_that_cannot_be_written_are_refused_before_work_starts(snakemake, project):
    (project / "file").write_text("not a folder")
    run = snakemake("--cores", 2, "--configfile", "tiny.yaml", "--config", "results=file")
    assert run.returncode == 2, run.stdout + run.stderr
    assert "error: results: expected a folder, got the file file" in run.stderr
