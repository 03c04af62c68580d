"""What `snakemake` says of lists and configurations before any job, on the screen and as exit code."""

import os
import subprocess
import time
from pathlib import Path

import pytest
from projects import Run
from trees import write_image_folder, write_table

GIVEN = ("experiment=mine", "images={size: 16, mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2]}")


def assert_refused(run: subprocess.CompletedProcess, expected: str) -> None:
    assert run.returncode == 2, run.stderr[-2000:]
    errors = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, run.stderr
    assert expected in errors[0]
    assert "Traceback" not in run.stderr
    assert "rule " not in run.stdout


def table_with_a_typo(root: Path) -> str:
    """Write a table in which one picture has the class `chekcs`; return the setting of the data set."""
    write_table(root)
    table = root / "table.csv"
    table.write_text(table.read_text().replace("pictures/7.jpg,checks", "pictures/7.jpg,chekcs"))
    assert "chekcs" in table.read_text()
    for path in (root, *root.rglob("*")):
        os.utime(path, times=(time.time() - 86400,) * 2)
    return f"dataset={{name: mine, layout: table, root: {root}, noise_rate: counted}}"


@pytest.mark.parametrize("dry", [["-n"], []], ids=["dry run", "run"])
def test_one_missing_picture_ends_the_plan_and_the_run(snakemake: Run, project, tmp_path, dry):
    dataset = table_with_a_typo(tmp_path / "data")
    (tmp_path / "data/pictures/11.jpg").unlink()
    run = snakemake(*dry, "--cores", 2, "--config", dataset, *GIVEN)
    assert_refused(run, "1 of 12 listed pictures are not there: pictures/11.jpg")
    assert not (project / "results/mine").exists()


@pytest.mark.parametrize(
    "how", [["-n"], ["results/mine/catalogue/mine.classes.txt"]], ids=["dry run", "start"]
)
def test_a_class_that_nobody_expected_is_a_warning(snakemake: Run, project, tmp_path, how):
    dataset = table_with_a_typo(tmp_path / "data")
    run = snakemake(*how, "--cores", 2, "--config", dataset, *GIVEN)
    assert run.returncode == 0, run.stderr
    warnings = [line for line in run.stderr.splitlines() if line.startswith("warning: classes: ")]
    named = [line for line in warnings if line.startswith("warning: classes: 'chekcs'")]
    assert len(named) == 1
    assert "'chekcs' has no clean picture, no validation picture, no test picture" in named[0]
    assert named[0].endswith("is it a misspelling of 'checks'?")
    assert (project / "results/mine").exists() == (how != ["-n"])
    assert list((project / ".snakemake").rglob("lists.json"))


def test_nothing_of_the_quick_start_is_taken_for_other_pictures(snakemake: Run, tmp_path):
    write_image_folder(tmp_path / "data")
    dataset = f"dataset={{layout: image_folder, root: {tmp_path / 'data'}}}"
    run = snakemake("-n", "--cores", 2, "--config", dataset, "mct={confusion: estimated}")
    keys = "`experiment`, `dataset.name`, `dataset.noise_rate`, `images.size`, `images.mean`"
    assert_refused(run, f"configuration: {keys}, `images.std`: must be given")


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        (
            "seeds: [0]\nimages:\n  size: 8\n   mean: 3\n",
            [],
            "mine.yaml: line 4, column 8: this is not",
        ),
        ("seeds: [0]\n", ["suspects"], "no such file: suspects; targets come before --configfile"),
    ],
    ids=["broken", "target after it"],
)
def test_a_broken_configuration_is_named_with_its_line(
    snakemake: Run, tmp_path, text, words, expected
):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    assert_refused(snakemake("-n", "--cores", 2, "--configfile", path, *words), expected)


def test_results_behind_a_link_that_leads_nowhere_end_the_run(snakemake: Run, project, tmp_path):
    (project / "away").symlink_to(tmp_path / "gone")
    run = snakemake("--cores", 2, "--config", "results=away")
    assert_refused(run, f"results: away is a link to {tmp_path}/gone, which is not there")
    assert not (tmp_path / "gone").exists()
