"""Names of files that are not UTF-8, or hold control characters: a line each, and nothing lost."""

import csv
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from odd_files import LATIN, at_most, inspected
from samples import CLASSES, dataset_settings, encode, picture_of, write_clothing
from trees import write_animal10n, write_image_folder, write_table

from mct.base.errors import UserError
from mct.base.files import write_rows
from mct.data.catalogue import source_digest
from mct.data.inspection import Finding
from mct.data.layouts.base import Layout, Row
from mct.data.layouts.registry import open_layout
from mct.data.settings import ImageSettings
from mct.learning.models import build_model, save_weights
from mct.learning.prediction import Predictor
from mct.learning.settings import EvaluationSettings, ModelSettings
from mct.results.picture_files import find_pictures
from mct.results.predictions import columns, predict_files
from mct.stage.settings import ExecutionSettings


def the_line(layout: Layout, folder: Path) -> tuple[Row, Finding]:
    """Return the one picture that is left out, all others being fine."""
    [(row, finding)] = [pair for pair in inspected(layout, folder) if pair[1].kind]
    assert finding.kind == "name_not_utf8"
    assert str(finding.reason).startswith(row.path)
    source_digest(layout)
    return row, finding


def open_tree(root: Path, layout: str, **changes: object) -> Layout:
    return open_layout(dataset_settings(layout=layout, root=str(root), **changes))


@pytest.mark.parametrize("place", ["train/bars", "test/bars", "train/bars/" + LATIN])
def test_a_name_in_a_folder_costs_one_line(tmp_path, place):
    root = write_image_folder(tmp_path / "root")
    (root / place).mkdir(exist_ok=True)
    (root / place / f"{LATIN}.jpg").write_bytes(encode(picture_of(1)))
    row, _ = the_line(open_tree(root, "image_folder"), tmp_path / "found")
    assert row.key == f"{place}/{LATIN}.jpg".replace(LATIN, r"caf\xe9")
    assert open_tree(root, "image_folder").read(row.path) == encode(picture_of(1))


def test_a_name_in_a_flat_folder_costs_one_line(tmp_path):
    root = write_animal10n(tmp_path / "root")
    (root / f"training/3_{LATIN}.jpg").write_bytes(encode(picture_of(1)))
    row, _ = the_line(open_tree(root, "animal10n"), tmp_path / "found")
    assert (row.key, row.observed) == (r"training/3_caf\xe9.jpg", 3)


def test_the_name_of_a_class_is_refused(tmp_path):
    root = write_image_folder(tmp_path / "root")
    (root / "train" / LATIN).mkdir()
    with pytest.raises(UserError, match=r"caf\\xe9: the name of a class is not UTF-8; rename"):
        open_tree(root, "image_folder").class_names()


def test_a_name_in_key_lists_costs_one_line(tmp_path):
    root = write_clothing(tmp_path / "root")
    (root / "images/0/a.jpg").rename(root / f"images/0/{LATIN}.jpg")
    for path in (root / "annotations").glob("noisy_*.txt"):
        path.write_bytes(path.read_bytes().replace(b"/a.jpg", b"/caf\xe9.jpg"))
    row, _ = the_line(open_tree(root, "clothing1m"), tmp_path / "found")
    assert (row.key, row.observed) == (r"images/0/caf\xe9.jpg", 0)


def test_a_true_label_that_only_measures_finds_such_a_name(tmp_path):
    root = write_animal10n(tmp_path / "root")
    (root / f"training/3_{LATIN}.jpg").write_bytes(encode(picture_of(1)))
    (tmp_path / "true.txt").write_bytes(b"training/3_caf\xe9.jpg 5\n")
    layout = open_tree(root, "animal10n", measuring_labels=str(tmp_path / "true.txt"))
    rows = {row.key: row for row in layout.rows()}
    assert rows[r"training/3_caf\xe9.jpg"].true == 5


def test_a_name_in_a_table_costs_one_line(tmp_path):
    root = write_table(tmp_path / "root")
    (root / "pictures/3.jpg").rename(root / f"pictures/{LATIN}.jpg")
    table = root / "table.csv"
    table.write_bytes(table.read_bytes().replace(b"/3.jpg", b"/caf\xe9.jpg"))
    row, _ = the_line(open_tree(root, "table", table="table.csv"), tmp_path / "found")
    assert row.key == r"pictures/caf\xe9.jpg"


def test_a_listed_name_that_is_not_there_is_refused_with_what_may_be_wrong(tmp_path):
    root = write_table(tmp_path / "root")
    (root / "pictures/3.jpg").rename(root / "pictures/caf\u00e9.jpg")
    table = root / "table.csv"
    table.write_bytes(table.read_bytes().replace(b"/3.jpg", b"/caf\xe9.jpg"))
    with pytest.raises(UserError, match=r"not UTF-8: pictures/caf\\xe9\.jpg; save the lists as"):
        inspected(open_tree(root, "table", table="table.csv"), tmp_path / "found")


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_name_in_an_archive_costs_one_line(tmp_path, kind):
    root = write_table(tmp_path / "root")
    data = (root / "pictures/3.jpg").read_bytes()
    if kind == "tar":
        with tarfile.open(root / "x.tar", "w", errors="surrogateescape") as tar:
            member = tarfile.TarInfo(f"{LATIN}.jpg")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    else:
        with zipfile.ZipFile(root / "x.zip", "w") as file:
            file.writestr("cafe.jpg", data)
        packed = (root / "x.zip").read_bytes()
        (root / "x.zip").write_bytes(packed.replace(b"cafe.jpg", b"caf\xe9.jpg"))
    table = root / "table.csv"
    listed = f"x.{kind}/caf".encode() + b"\xe9.jpg"
    table.write_bytes(table.read_bytes().replace(b"pictures/3.jpg", listed))
    layout = open_tree(root, "table", table="table.csv", archives=True)
    row, _ = the_line(layout, tmp_path / "found")
    assert row.key == rf"x.{kind}/caf\xe9.jpg"
    assert layout.read(row.path) == data


SETTINGS = EvaluationSettings(
    images=ImageSettings(size=8, augmentation="none", mean=(0.5,) * 3, std=(0.25,) * 3),
    model=ModelSettings(name="small_cnn", initial_weights=None, precision="float32"),
)


def predictions(folder: Path, results: Path) -> dict[str, dict[str, str]]:
    """Return what an untrained model says of the pictures in a folder, by their path there."""
    weights = results / "model.safetensors"
    save_weights(build_model(SETTINGS.model, CLASSES, 8, seed=0), weights)
    execution = ExecutionSettings(device="cpu")
    model = Predictor(weights, SETTINGS, CLASSES, execution)
    files = find_pictures([folder])
    found = predict_files([model], files, "abc", SETTINGS.images, 1)
    write_rows(results / "found.tsv", columns(1), (row.cells(1) for row in found))
    with (results / "found.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {row["path"].removeprefix(f"{folder}/"): row for row in rows}


GOOD = {
    "a.jpg": "a.jpg", "deep/b.png": "deep/b.png", f"{LATIN}.jpg": r"caf\xe9.jpg",
    "tab\t, line\n, return\r.jpg": r"tab\x09, line\x0a, return\x0d.jpg",
    "back\\xe9.jpg": r"back\x5cxe9.jpg",
}  # fmt: skip
"""Names of pictures that are predicted, and how the table spells them."""


def test_predictions_of_all_pictures_come_out_whatever_lies_among_them(tmp_path):
    folder = tmp_path / "photos"
    for number, name in enumerate(GOOD):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode(picture_of(number)))
    for name in (".hidden/x.jpg", "@eaDir/x.jpg", "deep/__MACOSX/._b.png", "Thumbs.db"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode(picture_of(1)))
    (folder / f"{LATIN}.txt").write_bytes(b"no picture")
    os.mkfifo(folder / "pipe.jpg")
    (folder / "nowhere.jpg").symlink_to("nothing")
    (folder / "itself.jpg").symlink_to("itself.jpg")
    with at_most(20, folder):
        rows = predictions(folder, tmp_path)
    bad = (r"caf\xe9.txt", "pipe.jpg", "nowhere.jpg", "itself.jpg")
    assert set(rows) == {*GOOD.values(), *bad}
    assert all(rows[key]["label"] in ("a", "b", "c") for key in GOOD.values())
    assert all(rows[name]["problem"] and not rows[name]["label"] for name in bad)
    assert "expected a file, got a named pipe" in rows["pipe.jpg"]["problem"]
