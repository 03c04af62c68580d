"""Food-101N: what its verification labels say, and Food-101's test pictures."""

import json

import pytest
from samples import dataset_settings
from trees import write_food101n

from mct.base.errors import UserError
from mct.data.catalogue import build_catalogue
from mct.data.layouts.food101n import Food101N
from mct.labels.noise import count_rate


def food(root, **changes: object) -> Food101N:
    settings = {"root": str(root), "test_root": str(root / "food-101"), **changes}
    return Food101N(dataset_settings(layout="food101n", **settings))


@pytest.mark.parametrize("header", [True, False])
def test_verified_pictures_have_a_true_label_where_it_proved_right(tmp_path, header):
    layout = food(write_food101n(tmp_path, header=header))
    rows = {row.key: row[2:] for row in layout.rows() if row.key.startswith("images/bars")}
    assert rows == {
        "images/bars/0.jpg": (1, 1, True, True, False, False, 1),
        "images/bars/1.jpg": (1, -1, True, False, False, False, 0),
        "images/bars/2.jpg": (-1, 1, False, False, True, False, -1),
        "images/bars/4.jpg": (1, -1, True, False, False, False, -1),
        "images/bars/5.jpg": (1, -1, True, False, False, False, -1),
    }
    assert layout.class_names() == ["stripes", "bars", "checks"]


def test_noise_is_counted_on_verified_pictures_of_the_noisy_set(tmp_path):
    """Two of each class are verified there, one of which is wrong; those of validation do not count."""
    catalogue = build_catalogue(food(write_food101n(tmp_path)))
    observed, wrong = catalogue.verified()
    counted = count_rate(observed, wrong, classes=3)
    assert (counted.rate, counted.samples, counted.class_samples) == (0.5, 6, [2, 2, 2])
    assert counted.class_rates == [0.5] * 3
    # The clean pictures are those whose label proved right: they show no confusion of labels.
    assert not len(catalogue.doubly_labelled()[0])


def test_sizes_are_those_of_the_catalogue(tmp_path):
    layout = food(write_food101n(tmp_path))
    catalogue = build_catalogue(layout)
    sizes = {name: int(members.sum()) for name, members in catalogue.members.items()}
    assert sizes == layout.sizes()
    assert layout.sizes() == {"noisy": 12, "clean": 3, "validation": 3, "test": 6}


@pytest.mark.parametrize("kind", ["json", "txt"])
def test_test_pictures_are_those_of_food_101(tmp_path, kind):
    root = write_food101n(tmp_path)
    text = root / "food-101/meta/test.txt"
    if kind == "json":
        content = {"bars": ["bars/0", "bars/7"], "checks": ["checks/7"]}
        text.with_suffix(".json").write_text(json.dumps(content))
        text.unlink()
    layout = food(root)
    rows = {row.key: row for row in layout.rows() if row.test}
    assert len(rows) == (3 if kind == "json" else 6)
    row = rows["test:images/bars/7.jpg"]
    assert (row.true, row.observed, row.noisy) == (1, -1, False)
    # Another picture than Food-101N's of the same name.
    expected = (root / "food-101/images/bars/0.jpg").read_bytes()
    assert layout.read("test:images/bars/0.jpg") == expected
    assert layout.read("images/bars/0.jpg") == (root / "images/bars/0.jpg").read_bytes()
    assert text.with_suffix(f".{kind}") in layout.source_files()


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("verified_train.tsv", "bars/0.jpg\t2", r"verified_train\.tsv: expected `key<TAB>0 or 1`"),
        (
            "verified_train.tsv",
            "bars/0.jpg\t0",
            r"bars/0\.jpg is verified both as right \(1\) and as",
        ),
        (
            "verified_val.tsv",
            "bars/3.jpg\t1.0",
            r"verified_val\.tsv: key bars/3\.jpg is verified both",
        ),
        (
            "verified_val.tsv",
            "bars\\3.jpg\t1",
            r"verified_val\.tsv: key bars/3\.jpg is verified both",
        ),
        ("classes.txt", "Bars", r"classes\.txt: 'bars' and 'Bars' differ only in upper and lower"),
        ("classes.txt", "bars", r"classes\.txt: class 'bars' is listed twice"),
        ("../food-101/meta/test.txt", "bars/0", r"keys are listed twice: test:images/bars/0\.jpg"),
        ("verified_train.tsv", "bars/9.jpg\t1", r"1 keys are not in imagelist\.tsv: bars/9\.jpg"),
        ("verified_train.tsv", "bars/2.jpg\t1", r"also in verified_val\.tsv: bars/2\.jpg"),
        ("imagelist.tsv", "soup/1.jpg", r"imagelist\.tsv: key soup/1\.jpg: no class soup in"),
        ("imagelist.tsv", "bars/../../1.jpg", r"imagelist\.tsv: expected paths below"),
        ("imagelist.tsv", "bars/9.jpg", r"1 of \d+ listed pictures .*: images/bars/9\.jpg"),
        ("../food-101/meta/test.txt", "../bars/9", r"test\.txt: expected paths below"),
    ],
)
def test_wrong_lists_are_refused(tmp_path, file, line, message):
    root = write_food101n(tmp_path)
    with (root / "meta" / file).open("a") as lists:
        lists.write(f"{line}\n")
    with pytest.raises(UserError, match=message):
        build_catalogue(food(root))


def test_equal_verifications_and_unknown_ones_are_no_contradiction(tmp_path):
    root = write_food101n(tmp_path)
    layout = food(root)
    expected, sizes = list(layout.rows()), layout.sizes()
    with (root / "meta/verified_train.tsv").open("a") as lists:
        lists.write("bars/0.jpg\t1.0\nbars/0.jpg\t1\nbars/4.jpg\tnan\nbars/5.jpg\t-1\n")
    with (root / "meta/imagelist.tsv").open("a") as lists:
        lists.write("bars/4.jpg\n")
    layout = food(root)
    assert (list(layout.rows()), layout.sizes()) == (expected, sizes)


def test_a_test_picture_under_another_class_is_refused(tmp_path):
    root = write_food101n(tmp_path)
    (root / "food-101/meta/test.txt").unlink()
    (root / "food-101/meta/test.json").write_text('{"bars": ["bars/0", "checks/7"]}')
    with pytest.raises(
        UserError, match=r"test\.json: 1 keys are of another class: checks/7 under b"
    ):
        build_catalogue(food(root))


def test_food_101_is_needed(tmp_path):
    with pytest.raises(UserError, match=r"dataset\.test_root: layout food101n needs .* got null"):
        food(write_food101n(tmp_path), test_root=None)


def test_a_broken_list_of_test_pictures_is_refused(tmp_path):
    root = write_food101n(tmp_path)
    (root / "food-101/meta/test.txt").unlink()
    (root / "food-101/meta/test.json").write_text("[1, 2]")
    with pytest.raises(UserError, match=r"test\.json: cannot be read as a list"):
        food(root).sizes()
