"""A folder as people have it, from the files to the table of pictures."""

import os
import re

import pytest
import yaml
from projects import copy_project, run_snakemake
from trees import write_image_folder

SKIPPED = {
    "train/bars/@eaDir/0.jpg/SYNO.jpg": "special", "__MACOSX/train/._0.jpg": "special",
    "train/.ipynb_checkpoints/0.jpg": "hidden", "lost+found/0.jpg": "special",
    "train/bars/Thumbs.db": "special", "train/checks/captions.txt": "no_picture",
    "test/bars/vector.svg": "no_picture", "README": "outside_classes",
    "train/stray.jpg": "outside_classes",
}  # fmt: skip


@pytest.fixture
def project(tmp_path):
    """Return a project with folders of classes, in them what other programs leave there."""
    folder = copy_project(tmp_path / "project")
    root = write_image_folder(folder / "data", train=30, clean=2, val=2, test=2)
    for path in SKIPPED:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"no picture")
    (root / "train/bars/deep/er").mkdir(parents=True)
    (root / "train/bars/0.jpg").rename(root / "train/bars/deep/er/0")
    (root / "train/bars/1.jpg").rename(root / os.fsdecode(b"train/bars/caf\xe9.jpg"))
    os.mkfifo(root / "train/bars/pipe.jpg")
    dataset = {"name": "tiny", "layout": "image_folder", "root": "data", "noise_rate": 0.3}
    config = {
        "experiment": "tiny", "dataset": {**dataset, "quarantine_share": 0.05},
        "images": {"size": 16, "mean": [0.4] * 3, "std": [0.2] * 3}, "mct": {"confusion": "estimated"},
        "methods": ["noise_only", "mct"],
    }  # fmt: skip
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config))
    return folder


def test_the_table_of_pictures_accounts_for_every_file(project):
    target = "results/tiny/tables/pictures.md"
    run = run_snakemake(project, target, "--cores", 2, "--configfile", "tiny.yaml", seconds=120)
    assert run.returncode == 0, run.stdout + run.stderr
    table = (project / target).read_text()
    assert re.search(r"^\| left_out: name_not_utf8 \| pictures \| 1 \| 0 ", table, re.M)
    assert re.search(r"^\| left_out: no_file \| pictures \| 1 \| 0 ", table, re.M)
    assert "had 118 files when the catalogue was made: 109 are listed, 9 skipped" in table
    assert "Of 109 listed pictures 107 are used and 2 left out" in table
    counts = dict(re.findall(r"^\| (\w+) \| (\d+) \| `", table, re.M))
    reasons = list(SKIPPED.values())
    assert counts == {reason: str(reasons.count(reason)) for reason in reasons}
    assert "`README`, `train/stray.jpg`" in table
    assert "`train/bars/@eaDir/`" in table
    quarantine = (project / "results/tiny/catalogue/tiny.quarantine.tsv").read_text()
    assert r"train/bars/caf\xe9.jpg" in quarantine
    assert len(quarantine.splitlines()) == 3
