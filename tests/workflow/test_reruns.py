"""What a rerun does, read from dry runs: exactly what a change touches, and what follows."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from projects import planned

INSPECTION = {"inspect_pictures", "quarantine_pictures"}
SHARDING = {"build_catalogue", *INSPECTION, "write_shard", "index_shards"}
TRAINING = {"pretrain_auxiliary", "pretrain_primary", "train_baseline", "calibrate_pair"}
PLOTTING = {"plot_training", "plot_selection"}
REPORTING = {"tabulate_accuracy", "plot_accuracy", "plot_confusion", *PLOTTING}
AFTER_CALIBRATION = {"calibrate_pair", "evaluate_model", *REPORTING}
NOISE = {"estimate_noise_by_models", "tabulate_noise"}
AFTER_CATALOGUE = {
    *SHARDING,
    "tabulate_pictures",
    "estimate_noise",
    *NOISE,
    *TRAINING,
    "evaluate_model",
    *REPORTING,
}
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
            {"pretrain_auxiliary", *NOISE, *AFTER_CALIBRATION},
        ),
        ("seeds: [0]", "inspection: {most_pixels: 1000000}", AFTER_CATALOGUE - {"build_catalogue"}),
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


def test_a_changed_image_list_reruns_everything_after_it(finished, snakemake, project):
    with edited(project / "data/noisy_label_kv.txt", "images/n/0059.jpg 0", "images/n/0059.jpg 1"):
        assert planned(snakemake) == AFTER_CATALOGUE


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
            {"evaluate_model", *REPORTING} - PLOTTING,
        ),
        (
            "results/figures.py",
            '"epoch"',
            '"epochs"',
            {"plot_accuracy", "plot_confusion", *PLOTTING, "tabulate_pictures"},
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
        assert planned(snakemake) == AFTER_CATALOGUE


def test_one_stage_one_method_and_one_shard_can_be_asked_for(finished, snakemake):
    models = "results/tiny/models/tiny"
    forced = ["--forcerun", "calibrate_pair"]
    assert planned(snakemake, *forced) == AFTER_CALIBRATION
    assert planned(snakemake, "-f", f"{models}/clean_noisy/seed0_ranks2/primary.safetensors") == {
        "train_baseline"
    }
    assert planned(snakemake, "-f", "results/tiny/shards/tiny/noisy/0001.h5") == {"write_shard"}
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
