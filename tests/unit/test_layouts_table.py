"""Tables: columns, classes by name or number, and which training pictures are clean."""

import pytest
from samples import dataset_settings
from trees import write_table

from mct.base.errors import UserError
from mct.data.catalogue import build_catalogue
from mct.data.layouts.table import Table
from mct.labels.settings import NoiseSettings


def table(root, **changes: object) -> Table:
    return Table(dataset_settings(layout="table", root=str(root), **changes))


def write_rows(root, *rows: str):
    """Write a table of these rows and return its folder."""
    (root / "table.csv").write_text("\n".join(["path,label,true_label,split", *rows]) + "\n")
    return root


@pytest.mark.parametrize("name", ["table.csv", "lists/pictures.tsv"])
@pytest.mark.parametrize("named", [True, False])
def test_rows_are_those_of_the_table(tmp_path, name, named):
    layout = table(write_table(tmp_path, name=name, named=named), table=name)
    names = ["bars", "checks", "stripes"] if named else ["0", "1", "2"]
    assert layout.class_names() == names
    number = [names.index(text) for text in ("stripes", "bars", "checks")] if named else [0, 1, 2]
    rows = {row.key: row[2:8] for row in layout.rows()}
    assert rows["pictures/1.jpg"] == (number[1], number[1], True, True, False, False)
    assert rows["pictures/7.jpg"] == (number[2], -1, True, False, False, False)
    assert rows["pictures/8.jpg"] == (-1, number[2], False, False, True, False)
    assert rows["pictures/11.jpg"] == (-1, number[2], False, False, False, True)
    assert layout.sizes() == {"noisy": 8, "clean": 4, "validation": 2, "test": 2}
    members = build_catalogue(layout).members
    assert {n: int(m.sum()) for n, m in members.items()} == layout.sizes()
    assert layout.source_files() == [tmp_path / name]


@pytest.mark.parametrize("builtin", [True, False])
def test_only_a_part_of_the_verified_is_clean_and_the_others_truth_stays_unknown(tmp_path, builtin):
    measuring = "builtin" if builtin else None
    layout = table(write_table(tmp_path), clean_fraction=0.5, measuring_labels=measuring)
    rows = [row for row in layout.rows() if row.noisy]
    assert sum(row.clean for row in rows) == layout.sizes()["clean"] == 2
    assert sum(row.true >= 0 for row in rows) == (4 if builtin else 2)
    assert len(build_catalogue(layout).doubly_labelled()[0]) == 2


def test_numbers_may_leave_classes_out(tmp_path):
    rows = ["a.jpg,0,3,train", "b.jpg,,3,test", "c.jpg,,0,validation"]
    assert table(write_rows(tmp_path, *rows)).class_names() == ["0", "1", "2", "3"]


def test_numbers_that_are_no_places_of_classes_are_refused(tmp_path):
    rows = ["a.jpg,101,,train", "b.jpg,,48950,test", "c.jpg,,101,validation"]
    expected = "2 classes have numbers up to 48950: expected 0 to 1; number them so, or give names"
    with pytest.raises(UserError, match=expected):
        table(write_rows(tmp_path, *rows)).class_names()


def test_text_among_numbers_makes_all_of_them_names(tmp_path):
    rows = ("a.jpg,7up,,train", "c.jpg,12,,train", "b.jpg,,12,test")
    layout = table(write_rows(tmp_path, *rows))
    assert layout.class_names() == ["12", "7up"]


def test_synthetic_noise_replaces_the_labels(tmp_path):
    rows = [f"{i}.jpg,,{'ab'[i % 2]},train" for i in range(20)]
    root = write_rows(tmp_path, *rows, "y.jpg,,a,validation", "z.jpg,,b,test")
    layout = table(root, synthetic_noise=NoiseSettings(kind="asymmetric", rate=0.4))
    noisy = [row for row in layout.rows() if row.noisy]
    assert {row.observed == row.true for row in noisy} == {True, False}
    assert all(row.true == int(row.key[:-4]) % 2 for row in noisy)
    assert list(layout.rows()) == list(layout.rows())


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "x.jpg,bars,,training",
            "x.jpg: split: expected train, validation or test, got 'training'",
        ),
        ("x.jpg,,bars,train", "x.jpg: label: split train needs one, got nothing"),
        ("x.jpg,bars,,test", "x.jpg: true_label: split test needs one, got nothing"),
        ("../x.jpg,bars,,train", r"expected paths below the data set's folder, got \.\./x\.jpg"),
        ("/etc/x.jpg,bars,,train", "expected paths below"),
        (",bars,,train", "expected paths below"),
        ("x.jpg", "x.jpg: split: expected train"),
        ("pictures/1.jpg,bars,,train", "1 keys are listed twice: pictures/1.jpg"),
        ("x.jpg,bars,,train", "1 of 13 listed pictures are not there: x.jpg"),
    ],
)
def test_wrong_rows_are_refused(tmp_path, row, message):
    root = write_table(tmp_path)
    with (root / "table.csv").open("a") as file:
        file.write(f"{row}\n")
    with pytest.raises(UserError, match=message):
        build_catalogue(table(root))


def test_synthetic_noise_needs_every_true_label(tmp_path):
    noise = NoiseSettings(kind="symmetric", rate=0.4)
    with pytest.raises(UserError, match=r"4\.jpg: true_label: synthetic noise needs one"):
        table(write_table(tmp_path), synthetic_noise=noise).sizes()


def test_wrong_tables_are_refused(tmp_path):
    (tmp_path / "table.csv").write_text("path,label\na,b\n")
    with pytest.raises(UserError, match=r"table\.csv: no column true_label, split; got \['path'"):
        table(tmp_path).sizes()
    with pytest.raises(UserError, match=r"other\.csv: cannot be read as a table"):
        table(tmp_path, table="other.csv").sizes()
    with pytest.raises(UserError, match=r"expected paths below .* got \.\./table\.csv"):
        table(tmp_path, table="../table.csv")


def test_a_first_line_too_long_for_a_table_is_named(tmp_path):
    (tmp_path / "table.csv").write_text("x" * 140_000 + "\n")
    with pytest.raises(UserError, match=r"table\.csv, line 1: field larger than field limit"):
        list(table(tmp_path).rows())
