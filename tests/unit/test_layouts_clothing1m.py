"""Clothing1M: what rows its lists give and what they refuse."""

import pytest
from samples import dataset_settings, encode, picture_of, write_clothing

from mct.base.errors import UserError
from mct.data.catalogue import build_catalogue
from mct.data.layouts.clothing1m import Clothing1M


def clothing(root, **changes: object) -> Clothing1M:
    return Clothing1M(dataset_settings(layout="clothing1m", root=str(root), **changes))


def columns(layout) -> dict[str, tuple]:
    """Return (observed, true, sets) of every row by the last letter of its key."""
    sets = ("noisy", "clean", "validation", "test")
    return {
        row.key[-5]: (row.observed, row.true, "+".join(s for s in sets if getattr(row, s)))
        for row in layout.rows()
    }


@pytest.mark.parametrize("prefix", ["images/", ""])
@pytest.mark.parametrize("folder", ["annotations", "."])
def test_clothing_rows_are_those_of_the_lists(tmp_path, folder, prefix):
    layout = clothing(write_clothing(tmp_path / "root", folder=folder, prefix=prefix))
    assert columns(layout) == {
        "a": (0, -1, "noisy"),
        "b": (1, -1, "noisy"),
        "c": (2, 1, "noisy+clean"),
        "d": (-1, 0, "clean"),
        "e": (-1, 2, "validation"),
        "f": (-1, 1, "test"),
    }
    assert {row.path for row in layout.rows()} == {f"images/0/{letter}.jpg" for letter in "abcdef"}
    assert layout.sizes() == {"noisy": 3, "clean": 2, "validation": 1, "test": 1}
    assert layout.class_names() == ["Shirt", "Coat", "Dress"]


def test_clothing_pictures_are_read_from_the_root(tmp_path):
    layout = clothing(write_clothing(tmp_path / "root"))
    assert layout.read("images/0/b.jpg") == encode(picture_of(1), "JPEG")
    with pytest.raises(UserError, match=r"root/images/0/z\.jpg: cannot be read"):
        layout.read("images/0/z.jpg")


def test_source_files_are_all_lists_and_labels(tmp_path):
    root = write_clothing(tmp_path / "root")
    measuring = root / "measured.txt"
    files = clothing(root, measuring_labels=str(measuring)).source_files()
    written = {path for path in (root / "annotations").iterdir() if "category" not in path.name}
    assert set(files) == written | {measuring}


def test_measuring_labels_are_true_labels_of_pictures_that_have_none(tmp_path):
    root = write_clothing(tmp_path / "root")
    measuring = root / "measured.txt"
    measuring.write_text("images/0/a.jpg 2\nimages/0/c.jpg 1\n")
    rows = columns(clothing(root, measuring_labels=str(measuring)))
    assert [rows[letter] for letter in "abc"] == [
        (0, 2, "noisy"), (1, -1, "noisy"), (2, 1, "noisy+clean"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("root", "message"),
    [
        (None, "layout clothing1m needs the folder .* got null"),
        ("nowhere", "no such folder: nowhere"),
    ],
)
def test_missing_root_is_refused(root, message):
    with pytest.raises(UserError, match=rf"dataset\.root: .*{message}"):
        Clothing1M(dataset_settings(layout="clothing1m", root=root))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            {"noisy_label_kv": ["images/0/a.jpg 0", "images/0/b.jpg 3", "images/0/c.jpg 2"]},
            r"noisy_label_kv\.txt: key images/0/b\.jpg: label 3 is outside 0 to 2",
        ),
        (
            {"noisy_label_kv": ["images/0/a.jpg 0", "images/0/a.jpg 1"]},
            r"noisy_label_kv\.txt: key images/0/a\.jpg has two labels, 0 and 1",
        ),
        (
            {"clean_label_kv": ["images/0/f.jpg 1", "images/0/f.jpg 2"]},
            r"clean_label_kv\.txt: key images/0/f\.jpg has two labels, 1 and 2",
        ),
        (
            {"noisy_label_kv": ["images/0/a.jpg 0"]},
            r"noisy_label_kv\.txt: 2 keys of noisy_train_key_list\.txt have no label: "
            r"images/0/b\.jpg, images/0/c\.jpg",
        ),
        (
            {"clean_label_kv": ["images/0/c.jpg 1", "images/0/d.jpg 0", "images/0/e.jpg 2"]},
            r"clean_label_kv\.txt: 1 keys of clean_test_key_list\.txt have no label: images/0/f\.jpg",
        ),
        (
            {"noisy_label_kv": ["images/0/a.jpg 0", "images/0/b.jpg"]},
            r"noisy_label_kv\.txt, entry 2: expected `key label`, got 'images/0/b\.jpg'",
        ),
        (
            {"noisy_label_kv": ["images/0/a.jpg -1"]},
            r"noisy_label_kv\.txt, entry 1: expected `key label`",
        ),
    ],
)
def test_wrong_lists_are_refused_with_file_and_key(tmp_path, lines, message):
    layout = clothing(write_clothing(tmp_path / "root", **lines))
    with pytest.raises(UserError, match=message):
        list(layout.rows())


def test_clothing_brings_no_measuring_labels(tmp_path):
    with pytest.raises(UserError, match=r"measuring_labels: layout clothing1m brings no true"):
        clothing(write_clothing(tmp_path / "root"), measuring_labels="builtin")


def test_measuring_label_against_a_clean_one_is_refused(tmp_path):
    root = write_clothing(tmp_path / "root")
    measuring = root / "measured.txt"
    measuring.write_text("images/0/c.jpg 0\n")
    with pytest.raises(
        UserError, match=r"measured\.txt: key images/0/c\.jpg has two true labels, 1 and 0 here"
    ):
        list(clothing(root, measuring_labels=str(measuring)).rows())


def test_a_list_that_is_not_there_is_refused(tmp_path):
    root = write_clothing(tmp_path / "root")
    (root / "annotations" / "clean_val_key_list.txt").unlink()
    with pytest.raises(UserError, match=r"clean_val_key_list\.txt: cannot be read as a list"):
        list(clothing(root).rows())


def test_missing_class_names_are_refused(tmp_path):
    root = write_clothing(tmp_path / "root")
    for path in (root / "annotations").glob("category*"):
        path.unlink()
    with pytest.raises(UserError, match=r"expected a file category_names_\*\.txt, found none"):
        clothing(root).class_names()


def test_listed_pictures_that_are_not_there_are_counted_and_three_named(tmp_path):
    layout = clothing(write_clothing(tmp_path / "root", absent="bcdf"))
    expected = (
        r"4 of 6 listed pictures are not there: "
        r"images/0/b\.jpg, images/0/c\.jpg, images/0/d\.jpg, and 1 more"
    )
    with pytest.raises(UserError, match=expected):
        build_catalogue(layout)


def test_one_picture_under_a_key_with_and_without_its_folder_is_refused(tmp_path):
    """The test set must not hold a training picture, however the lists spell it."""
    lines = {
        "clean_test_key_list": ["0/a.jpg"],
        "clean_label_kv": [
            "0/a.jpg 1", "images/0/c.jpg 1", "images/0/d.jpg 0", "images/0/e.jpg 2",
        ],
    }  # fmt: skip
    layout = clothing(write_clothing(tmp_path / "root", **lines))
    with pytest.raises(UserError, match=r"0/a\.jpg"):
        build_catalogue(layout)
