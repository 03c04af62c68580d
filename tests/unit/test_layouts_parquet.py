"""Parquet files with pictures inside: sets, classes, columns, and what is refused."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import polars
import pytest
from samples import dataset_settings, encode, picture_of
from trees import CLASSES, write_parquet

from mct.base.errors import UserError
from mct.data.catalogue import build_catalogue, source_digest
from mct.data.layouts.parquet import Parquet
from mct.labels.settings import NoiseSettings

PICTURES = [encode(picture_of(number)) for number in range(8)]


def opened(root: Path, **changes: object) -> Parquet:
    return Parquet(dataset_settings(layout="parquet", root=str(root), **changes))


def write(root: Path, name: str, names: list | None = None, **columns: object) -> Path:
    """Write a file of columns, `image` unless it is given; `names` are classes in its metadata."""
    length = len(next(iter(columns.values())))
    if not any(name in columns for name in ("image", "img", "photo")):
        columns = {
            "image": [{"bytes": PICTURES[i % 8], "path": "a.png"} for i in range(length)]
        } | columns
    feature = {"_type": "ClassLabel", "names": names}
    features = {"huggingface": json.dumps({"info": {"features": {"label": feature}}})}
    root.mkdir(exist_ok=True)
    options = {"metadata": features if names else None}
    polars.DataFrame(columns, strict=False).write_parquet(root / name, row_group_size=3, **options)
    return root


def write_sets(root: Path, train: list, test: list, **more: object) -> Path:
    write(root, "train-0.parquet", label=train, **more)
    return write(
        root, "test-0.parquet", label=test, **{k: v for k, v in more.items() if k == "names"}
    )


def labels_of(root: Path, **changes: object) -> tuple[list[str], list[int]]:
    """Return the names of the classes, and the observed labels of training."""
    layout = opened(root, **{"clean_fraction": 0.5, **changes})
    return layout.class_names(), [row.observed for row in layout.rows() if row.noisy]


def refusal(root: Path, **changes: object) -> str:
    with pytest.raises(UserError) as error:
        build_catalogue(opened(root, **{"clean_fraction": 0.5, **changes}))
    return str(error.value)


def test_rows_of_training_are_noisy_and_those_with_a_true_label_clean_as_well(tmp_path):
    layout = opened(write_parquet(tmp_path))
    rows = {row.key: row[2:8] for row in layout.rows()}
    assert layout.class_names() == list(CLASSES)
    assert rows["data/train-00000-of-00002.parquet/000002"] == (0, -1, True, False, False, False)
    assert rows["data/train-00001-of-00002.parquet/000005"] == (0, 2, True, True, False, False)
    assert rows["data/validation-00000-of-00001.parquet/000003"] == (
        -1,
        0,
        False,
        False,
        True,
        False,
    )
    assert rows["data/test-00000-of-00001.parquet/000001"] == (-1, 1, False, False, False, True)
    catalogue = build_catalogue(layout)
    sizes = {"noisy": 16, "clean": 8, "validation": 4, "test": 4}
    assert layout.sizes() == sizes == {n: int(m.sum()) for n, m in catalogue.members.items()}
    assert len(catalogue.doubly_labelled()[0]) == 8
    assert layout.counts_confusion and layout.counts_rate
    assert catalogue.keys[:16] == sorted(catalogue.keys[:16])


@pytest.mark.parametrize("builtin", [True, False])
def test_of_the_true_labels_a_share_is_clean_and_others_only_measure(tmp_path, builtin):
    measuring = "builtin" if builtin else None
    layout = opened(write_parquet(tmp_path), clean_fraction=0.5, measuring_labels=measuring)
    rows = [row for row in layout.rows() if row.noisy]
    assert sum(row.clean for row in rows) == layout.sizes()["clean"] == 4
    assert sum(row.true >= 0 for row in rows) == (8 if builtin else 4)


@pytest.mark.parametrize(
    ("counts", "fraction", "expected"),
    [
        ({"train": 4, "validation": 8, "test": 6}, 0.5, (8, 4, 4, 6)),
        ({"train": 4, "val": 12}, 0.5, (8, 6, 3, 3)),
        ({"train": 4, "test": 12}, 0.25, (8, 3, 4, 5)),
        ({"train": 4, "clean": 3, "test": 5}, None, (8, 3, 2, 3)),
    ],
)
def test_without_true_labels_clean_pictures_are_held_out(tmp_path, counts, fraction, expected):
    layout = opened(write_parquet(tmp_path, verified=False, **counts), clean_fraction=fraction)
    catalogue = build_catalogue(layout)
    found = {name: int(members.sum()) for name, members in catalogue.members.items()}
    assert tuple(found.values()) == expected == tuple(layout.sizes().values())
    assert sum(expected) == len(catalogue)
    assert not layout.counts_confusion and not layout.counts_rate
    assert ("held-out" in layout.clean_source()) == (fraction is not None)


def test_only_one_source_of_clean_pictures_is_accepted(tmp_path):
    plain = write_parquet(tmp_path / "plain", verified=False)
    assert "nothing is known to be clean; expected a true_label" in refusal(
        plain, clean_fraction=None
    )
    write_parquet(plain, verified=False, clean=2)
    assert "files of clean, which are the clean set; expected null, got 0.5" in refusal(plain)
    write_parquet(plain, train=8, clean=2, test=2)
    assert "true_labels of training pictures too; expected one of them" in refusal(plain)


@pytest.mark.parametrize(
    ("present", "message"),
    [
        ("test", r"expected files of train \(train-\*\.parquet or train/\*\.parquet\), found none"),
        ("train", "expected files of validation or test"),
        (None, "expected files of train"),
    ],
)
def test_sets_that_come_from_nowhere_are_refused(tmp_path, present, message):
    if present:
        write(tmp_path, f"{present}-0.parquet", label=[0, 1])
    with pytest.raises(UserError, match=message):
        opened(tmp_path)


def test_classes_have_the_names_of_the_hubs_metadata_in_its_order(tmp_path):
    root = write_sets(tmp_path, [2, 0, 1], [1, 1], names=["cat", "none", "7"])
    assert labels_of(root) == (["cat", "none", "7"], [2, 0, 1])
    assert labels_of(root, classes=["7", "dog", "none", "cat"]) == (
        ["7", "dog", "none", "cat"],
        [0, 3, 2],
    )
    assert "no class 'cat'" in refusal(root, classes=["7", "none"])


def test_each_file_is_read_by_its_own_names(tmp_path):
    write(tmp_path, "train-0.parquet", ["cat", "dog"], label=[0, 1])
    write(tmp_path, "train-1.parquet", ["dog", "cat"], label=[0, 1])
    write(tmp_path, "test-0.parquet", label=["dog", "cat"])
    assert labels_of(tmp_path) == (["cat", "dog"], [0, 1, 1, 0])


@pytest.mark.parametrize(
    ("labels", "names", "numbers"),
    [
        ([3, 0], ["0", "1", "2", "3"], [3, 0]),
        (["dog", "cat"], ["cat", "dog"], [1, 0]),
        ([1.0, 0.0], ["0", "1"], [1, 0]),
        ([True, False], ["false", "true"], [1, 0]),
        (polars.Series(["dog", "cat"], dtype=polars.Categorical), ["cat", "dog"], [1, 0]),
    ],
)
def test_without_metadata_labels_are_numbers_or_names(tmp_path, labels, names, numbers):
    assert labels_of(write_sets(tmp_path, labels, labels)) == (names, numbers)


def test_numbers_count_the_given_classes(tmp_path):
    root = write_sets(tmp_path, [1, 0], [0, 1])
    assert labels_of(root, classes=["dog", "cat"]) == (["dog", "cat"], [1, 0])


@pytest.mark.parametrize(
    ("train", "test", "names", "message"),
    [
        (
            [0, 2],
            [0, 1],
            ["a", "b"],
            "train-0.parquet, row 1: label: expected 0 to 1, which its metadata",
        ),
        (
            [0, -1],
            [0, 1],
            ["a", "b"],
            "train-0.parquet/000001: label: train needs one, got nothing",
        ),
        (
            [0, 1],
            [0, None],
            ["a", "b"],
            "test-0.parquet/000001: label: test needs one, got nothing",
        ),
        (
            ["a", "NA"],
            ["a", "b"],
            None,
            "label: train needs one, got the marker 'NA' for an unknown",
        ),
        (["a", "b"], ["c", "d"], None, "have no class in common (a, b and c, d)"),
        (["cat", "Cat"], ["cat", "dog"], None, "differ only in upper and lower case"),
        ([0.5, 1], [0, 1], None, "label '0.5' among numbers: expected a whole number"),
        ([[0], [1]], [[0], [1]], None, "column label: expected whole numbers or text, got List"),
    ],
)
def test_labels_that_mean_nothing_are_refused(tmp_path, train, test, names, message):
    write(tmp_path, "train-0.parquet", names, label=train)
    assert message in refusal(write(tmp_path, "test-0.parquet", names, label=test))


def test_a_true_label_of_no_other_picture_is_refused_unless_classes_are_listed(tmp_path):
    root = write_sets(tmp_path, ["a", "b"], ["a", "b"], true_label=["a", "x"])
    assert "train-0.parquet/000001: true_label 'x' is a class of no other label" in refusal(root)
    assert labels_of(root, classes=["a", "b", "x"])[1] == [0, 1]


def test_a_column_of_true_labels_without_any_is_none(tmp_path):
    layout = opened(
        write_sets(tmp_path, [0, 1], [0, 1, 0, 1], true_label=[None, None]), clean_fraction=0.5
    )
    assert layout.sizes() == {"noisy": 2, "clean": 2, "validation": 1, "test": 1}
    assert not layout.counts_confusion


def test_the_label_is_the_only_column_of_its_kind_or_the_one_that_is_named(tmp_path):
    for name in ("train-0.parquet", "test-0.parquet"):
        write(tmp_path, name, breed=[1, 0], weight=[0.5, 0.7])
    assert labels_of(tmp_path)[1] == [1, 0]
    for name in ("train-0.parquet", "test-0.parquet"):
        write(tmp_path, name, fine=["a", "b"], coarse=["d", "c"])
    found = refusal(tmp_path)
    assert "expected a column `label`, or one column of whole numbers or text, got image (" in found
    assert "name it in dataset.label_column" in found
    assert labels_of(tmp_path, label_column="coarse") == (["c", "d"], [1, 0])
    assert "no column size (dataset.label_column); it has image" in refusal(
        tmp_path, label_column="size"
    )


@pytest.mark.parametrize("column", ["image", "img", "photo"])
@pytest.mark.parametrize("wraps", [True, False])
def test_pictures_are_bytes_or_structures_with_them(tmp_path, column, wraps):
    data = [{"bytes": one, "path": "x"} if wraps else one for one in PICTURES[:4]]
    mask = [b"mask"] * 4 if column != "photo" else range(4)
    for name in ("train-0.parquet", "test-0.parquet"):
        write(tmp_path, name, **{column: data}, label=[0, 1, 0, 1], mask=mask)
    assert opened(tmp_path).read("train-0.parquet/000003") == PICTURES[3]


@pytest.mark.parametrize(
    "columns", [{"image": ["a.jpg", "b.jpg"]}, {"photo": [b"a"] * 2, "mask": [b"b"] * 2}]
)
def test_pictures_that_are_not_there_or_twice_are_refused(tmp_path, columns):
    write(tmp_path, "test-0.parquet", label=[0, 1])
    write(tmp_path, "train-0.parquet", label=[0, 1], **columns)
    assert (
        "train-0.parquet: expected a column `image` or `img`, or one column of binary"
        in refusal(tmp_path)
    )


@pytest.mark.parametrize("kind", ["symmetric", "instance_dependent"])
def test_synthetic_noise_takes_labels_for_the_truth(tmp_path, kind):
    root = write_parquet(tmp_path, verified=False, train=30, test=9)
    noise = NoiseSettings(kind=kind, rate=0.5)
    layout = opened(root, synthetic_noise=noise, clean_fraction=0.4, measuring_labels="builtin")
    noisy = [row for row in layout.rows() if row.noisy]
    plain = opened(root, clean_fraction=0.4).rows()
    assert [row.true for row in noisy] == [row.observed for row in plain if row.noisy]
    assert 0.2 < np.mean([row.observed != row.true for row in noisy]) < 0.8


def test_synthetic_noise_on_checked_pictures_needs_every_true_label(tmp_path):
    noise = NoiseSettings(kind="symmetric", rate=0.5)
    root = write_parquet(tmp_path)
    message = (
        "train-00000-of-00002.parquet/000000: true_label: synthetic noise needs one, got nothing"
    )
    assert message in refusal(root, synthetic_noise=noise)


def test_builtin_measuring_labels_need_a_truth(tmp_path):
    with pytest.raises(UserError, match="layout parquet brings no true labels"):
        opened(write_parquet(tmp_path, verified=False), measuring_labels="builtin")


def test_another_label_or_file_changes_the_digest_and_other_files_do_not(tmp_path):
    root = write_sets(tmp_path, [0, 1, 1], [0, 1, 0])
    digests = Counter()
    for change in (
        lambda: None,
        lambda: (root / "README.md").write_text("no data"),
        lambda: write(root, "train-0.parquet", label=[1, 1, 1]),
        lambda: write(root, "train-1.parquet", label=[1, 1, 1]),
    ):
        change()
        digests[source_digest(opened(root, clean_fraction=0.5))] += 1
    assert list(digests.values()) == [2, 1, 1]


def test_brackets_and_equal_signs_in_paths_are_no_patterns(tmp_path):
    root = write_sets(tmp_path / "label=3 [a]*", [0, 1], [0, 1])
    assert labels_of(root) == (["0", "1"], [0, 1])
    assert opened(root).read("train-0.parquet/000001") == PICTURES[1]
