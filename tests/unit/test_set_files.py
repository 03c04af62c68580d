"""Files that each belong to a set by their name or their folder's, and files that do not."""

from pathlib import Path

import pytest

from mct.base.errors import UserError
from mct.data.layouts.set_files import find_set_files

PARQUET = (".parquet",)


def write(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"")
    return root


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("train-00000-of-00004.parquet", "train"),
        ("train.parquet", "train"),
        ("data/test-00000-of-00001.PARQUET", "test"),
        ("data/val_0.parquet", "validation"),
        ("valid-0.parquet", "validation"),
        ("validation-0.parquet", "validation"),
        ("clean0.parquet", "clean"),
        ("pets-train-000000.parquet", "train"),
        ("train-clean-100.parquet", "train"),
        ("train/0000.parquet", "train"),
        ("default/partial-test/0000.parquet", "test"),
        ("test/deep/er/0.parquet", "test"),
        ("val/test-set/0.parquet", None),
        ("test/train-0.parquet", None),
        ("pets-train-test.parquet", None),
        ("0000.parquet", None),
        ("trian-0.parquet", None),
        ("trainA-0.parquet", None),
        ("Train-0.parquet", None),
    ],
)
def test_a_file_is_of_the_set_that_its_path_names(tmp_path, path, expected):
    write(tmp_path, path)
    if expected is None:
        with pytest.raises(UserError, match=r"\.parquet: "):
            find_set_files(tmp_path, PARQUET)
    else:
        assert find_set_files(tmp_path, PARQUET).files == {expected: [path]}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("test/train-0.parquet", "the file names the set train and its folder test; expected one"),
        ("a-train-val.parquet", "names the sets train and validation; expected one"),
        ("trian-0.parquet", "names a set; did you mean train"),
        (
            "0.parquet",
            "neither the file's name nor its folder names a set; expected one of train, ",
        ),
        ("caf\udce9/train-0.parquet", r"caf\\xe9/train-0.parquet: the name is not UTF-8; rename"),
    ],
)
def test_a_file_of_no_set_is_refused_with_its_path(tmp_path, path, message):
    with pytest.raises(UserError, match=message):
        find_set_files(write(tmp_path, path), PARQUET)


def test_files_are_sorted_and_all_others_are_counted(tmp_path):
    names = ("train-1.parquet", "train-0.parquet", "b/train-2.parquet", "a/test.parquet")
    others = ("README.md", ".cache/x/train-9.parquet", "train-0.jpg", "__MACOSX/train-0.parquet")
    write(tmp_path, *names, *others)
    (tmp_path / "train-3.parquet").symlink_to("nowhere")
    (tmp_path / "again").symlink_to("b")
    found = find_set_files(tmp_path, PARQUET)
    expected = ["b/train-2.parquet", "train-0.parquet", "train-1.parquet"]
    assert found.files == {"train": expected, "test": ["a/test.parquet"]}
    assert {one.path: one.reason for one in found.skipped} == {
        "README.md": "other_file", ".cache/": "hidden", "train-0.jpg": "other_file",
        "__MACOSX/": "special", "train-3.parquet": "no_file", "again": "link_to_folder",
    }  # fmt: skip


def test_a_link_that_leads_outside_is_refused_and_one_inside_is_not(tmp_path):
    """As Hugging Face's cache has it: `snapshots` are links to files in `blobs`."""
    root = write(tmp_path / "datasets--pets", "blobs/0123", "snapshots/4567/data/README.md")
    (root / "snapshots/4567/data/train-0.parquet").symlink_to("../../../blobs/0123")
    assert find_set_files(root, PARQUET).files == {"train": ["snapshots/4567/data/train-0.parquet"]}
    with pytest.raises(UserError, match=r"data/train-0\.parquet is a link that leads outside"):
        find_set_files(root / "snapshots/4567", PARQUET)
