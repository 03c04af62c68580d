"""The catalogue: what it holds, what it refuses, and that it survives its file."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import dataset_settings, small_catalogue, write_clothing

from mct.base.errors import UserError
from mct.data.catalogue import (
    SETS,
    Catalogue,
    build_catalogue,
    check_catalogue,
    from_rows,
    read_catalogue,
    source_digest,
    write_catalogue,
)
from mct.data.layouts.base import Row
from mct.data.layouts.registry import open_layout

ROWS = [
    Row("a", "a.png", observed=0, noisy=True),
    Row("b", "b.png", observed=1, true=0, noisy=True, clean=True),
    Row("c", "c.png", true=1, clean=True),
    Row("d", "d.png", observed=1, true=1, validation=True),
    Row("e", "e.png", true=0, test=True),
]


def assert_equal(one: Catalogue, other: Catalogue) -> None:
    assert (one.keys, one.paths) == (other.keys, other.paths)
    np.testing.assert_array_equal(one.observed, other.observed)
    np.testing.assert_array_equal(one.true, other.true)
    np.testing.assert_array_equal(one.right, other.right)
    for name in SETS:
        np.testing.assert_array_equal(one.members[name], other.members[name])


def test_rows_become_columns():
    catalogue = from_rows(ROWS)
    assert len(catalogue) == 5
    assert catalogue.keys == list("abcde")
    assert catalogue.observed.tolist() == [0, 1, -1, 1, -1]
    assert catalogue.true.tolist() == [-1, 0, 1, 1, 0]
    members = {name: "".join(np.array(catalogue.keys)[m]) for name, m in catalogue.members.items()}
    assert members == {"noisy": "ab", "clean": "bc", "validation": "d", "test": "e"}
    check_catalogue(catalogue)


def test_doubly_labelled_are_clean_and_validation_pictures_with_both_labels():
    observed, true = from_rows(ROWS).doubly_labelled()
    assert (observed.tolist(), true.tolist()) == ([1, 1], [0, 1])


def test_labels_are_verified_by_true_ones_or_by_verdicts_alone():
    observed, wrong = from_rows(ROWS).verified()
    assert (observed.tolist(), wrong.tolist()) == ([1, 1], [True, False])
    judged = [
        row._replace(right=verdict) for row, verdict in zip(ROWS, (0, 1, -1, -1, -1), strict=True)
    ]
    observed, wrong = from_rows(judged).verified()
    assert (observed.tolist(), wrong.tolist()) == ([0, 1], [True, False])


def test_a_noisy_picture_whose_truth_is_only_for_measuring_is_not_counted():
    rows = [ROWS[0]._replace(true=1), *ROWS[1:]]
    assert len(from_rows(rows).doubly_labelled()[0]) == 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*ROWS, ROWS[0]], "1 keys are listed twice: a"),
        ([*ROWS, Row("f", "f", observed=0, true=0, noisy=True, test=True)],
         "1 keys are in test and in training: f"),
        ([*ROWS, Row("f", "f", true=0, clean=True, test=True)], "in test and in training: f"),
        ([*ROWS, Row("f", "f", noisy=True)], "1 noisy pictures have no observed label: f"),
        ([*ROWS, Row("f", "f", observed=1, clean=True)], "1 clean pictures have no true label: f"),
        ([row._replace(clean=False) for row in ROWS], "the clean set is empty"),
        (ROWS[:4], "the test set is empty"),
        ([], "the noisy set is empty"),
    ],
)  # fmt: skip
def test_wrong_catalogue_is_refused(rows, message):
    with pytest.raises(UserError, match=f"dataset: .*{message}"):
        check_catalogue(from_rows(rows))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            {"clean_test_key_list": ["images/0/f.jpg", "images/0/a.jpg"],
             "clean_label_kv": [f"images/0/{letter}.jpg 1" for letter in "acdef"]},
            r"1 keys are in test and in training: images/0/a\.jpg",
        ),
        ({"clean_train_key_list": []}, "the clean set is empty"),
        ({"category_names_eng": ["Coat"]}, "expected at least two classes, found 1: Coat"),
    ],
)  # fmt: skip
def test_wrong_lists_of_a_tree_are_refused(tmp_path, lines, message):
    root = write_clothing(tmp_path / "root", **lines)
    layout = open_layout(dataset_settings(layout="clothing1m", root=str(root)))
    with pytest.raises(UserError, match=message):
        build_catalogue(layout)


def test_written_catalogue_reads_back_equal(tmp_path):
    write_catalogue(small_catalogue(), tmp_path / "catalogue.tsv")
    assert_equal(read_catalogue(tmp_path / "catalogue.tsv"), small_catalogue())


TEXT = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5))
def test_any_key_survives_its_file(tmp_path_factory, names):
    catalogue = from_rows(Row(key, path, observed=2, noisy=True) for key, path in names)
    path = tmp_path_factory.getbasetemp() / "any.tsv"
    write_catalogue(catalogue, path)
    assert_equal(read_catalogue(path), catalogue)


def test_tsv_has_a_readable_header(tmp_path):
    path = tmp_path / "catalogue.tsv"
    write_catalogue(from_rows(ROWS), path)
    assert path.read_text().splitlines()[:3] == [
        "key\tpath\tobserved\ttrue\tnoisy\tclean\tvalidation\ttest\tright",
        "a\ta.png\t0\t-1\t1\t0\t0\t0\t-1",
        "b\tb.png\t1\t0\t1\t1\t0\t0\t-1",
    ]


def test_source_digest_covers_every_list_and_the_number_of_classes(tmp_path):
    root = write_clothing(tmp_path / "root")
    settings = dataset_settings(layout="clothing1m", root=str(root))
    further = {
        "noisy_label_kv": "images/0/d.jpg 2",
        "noisy_train_key_list": "images/0/d.jpg",
        "clean_train_key_list": "images/0/e.jpg",
        "clean_val_key_list": "images/0/d.jpg",
        "clean_test_key_list": "images/0/d.jpg",
        "category_names_eng": "Hat",
    }
    digests = {source_digest(open_layout(settings))}
    assert source_digest(open_layout(settings)) in digests
    for name, line in further.items():
        with (root / "annotations" / f"{name}.txt").open("a") as file:
            file.write(f"{line}\n")
        digests.add(source_digest(open_layout(settings)))
    labels = root / "annotations" / "clean_label_kv.txt"
    labels.write_text(labels.read_text().replace("e.jpg 2", "e.jpg 0"))
    digests.add(source_digest(open_layout(settings)))
    assert len(digests) == 1 + len(further) + 1


def test_renaming_a_class_keeps_the_source_digest(tmp_path):
    root = write_clothing(tmp_path / "root")
    layout = open_layout(dataset_settings(layout="clothing1m", root=str(root)))
    before = source_digest(layout)
    (root / "annotations" / "category_names_eng.txt").write_text("one\ntwo\nthree\n")
    assert source_digest(layout) == before


def test_digest_of_a_missing_list_is_refused(tmp_path):
    root = write_clothing(tmp_path / "root")
    layout = open_layout(dataset_settings(layout="clothing1m", root=str(root)))
    (root / "annotations" / "noisy_label_kv.txt").unlink()
    with pytest.raises(UserError, match=r"noisy_label_kv\.txt: cannot be read"):
        source_digest(layout)


def test_types_and_names_outside_ascii_survive_the_file(tmp_path):
    catalogue = replace(small_catalogue(), keys=[f"ä{i}" for i in range(16)])
    write_catalogue(catalogue, tmp_path / "catalogue.tsv")
    again = read_catalogue(tmp_path / "catalogue.tsv")
    assert (again.observed.dtype, again.true.dtype) == (np.int64, np.int64)
    assert again.keys == catalogue.keys
