"""What texts of labels mean: numbers in any form, markers for unknown, and names in one form."""

import pytest
from samples import dataset_settings, write_clothing
from trees import write_image_folder

from mct.base.errors import UserError
from mct.data.layouts.registry import open_layout
from mct.experiment.configuration import resolve
from mct.experiment.stage_settings import used_settings
from mct.labels.settings import NoiseSettings

HELD_OUT = ("y.jpg,,0,validation", "z.jpg,,1,test")
NAMED = ("y.jpg,,cat,validation", "z.jpg,,dog,test")
MARKERS = (
    "-1", "-1.0", "nan", "NaN", "NA", "N/A", "n/a", "None", "none", "NULL", "null", "?", "<NA>",
    "#N/A", "#NA", "-nan", "1.#QNAN", "",
)  # fmt: skip


def table(root, *rows: str, **changes: object):
    """Return the layout of a table of these rows."""
    text = "\n".join(["path,label,true_label,split", *rows])
    (root / "table.csv").write_text(text + "\n", "utf-8")
    return open_layout(dataset_settings(layout="table", root=str(root), **changes))


def labels(layout) -> dict[str, tuple[int, int]]:
    return {row.key[0]: (row.observed, row.true) for row in layout.rows()}


@pytest.mark.parametrize(
    ("one", "zero"),
    [("1", "0.0"), ("1.0", "0"), ("1e0", "0.000e+00"), ("01", "00"), ("1,0", "0,00")],
)
def test_numbers_in_any_form_are_the_same_classes(tmp_path, one, zero):
    layout = table(tmp_path, f'a.jpg,0,"{zero}",train', f'b.jpg,"{one}",,train', *HELD_OUT)
    assert layout.class_names() == ["0", "1"]
    assert labels(layout) == {"a": (0, 0), "b": (1, -1), "y": (-1, 0), "z": (-1, 1)}
    assert layout.sizes()["clean"] == 1


@pytest.mark.parametrize("text", ["1.5", "-2", '"1,000"', "1e-3", "1e400", "9" * 5000])
def test_a_label_among_numbers_that_is_no_number_of_a_class_is_refused(tmp_path, text):
    layout = table(tmp_path, "a.jpg,0,0,train", f"b.jpg,{text},,train", *HELD_OUT)
    shown = text.strip('"')
    expected = rf"table\.csv, line 3: label '{shown}' among numbers: expected a whole number from 0"
    with pytest.raises(UserError, match=expected):
        layout.class_names()


@pytest.mark.parametrize("marker", MARKERS)
@pytest.mark.parametrize("rows", [("0", *HELD_OUT), ("cat", *NAMED)], ids=["numbers", "names"])
def test_a_marker_in_true_label_is_an_unknown_label(tmp_path, marker, rows):
    label, *held_out = rows
    layout = table(
        tmp_path, f"a.jpg,{label},{label},train", f"b.jpg,{label},{marker},train", *held_out
    )
    assert len(layout.class_names()) == 2
    assert labels(layout)["b"] == (0, -1)
    assert layout.sizes()["clean"] == 1


@pytest.mark.parametrize("marker", MARKERS)
def test_a_marker_in_label_is_refused_with_its_row(tmp_path, marker):
    layout = table(tmp_path, "a.jpg,cat,cat,train", f"b.jpg,{marker},,train", *NAMED)
    got = (
        f"the marker '{marker}' for an unknown label; if it is a class, give"
        if marker
        else "nothing"
    )
    with pytest.raises(
        UserError, match=r"table\.csv, line 3: b\.jpg: label: split train needs"
    ) as error:
        layout.class_names()
    assert got in str(error.value)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_marker_where_a_true_label_is_needed_is_refused(tmp_path, split):
    layout = table(tmp_path, "a.jpg,0,1,train", f"b.jpg,0,NA,{split}", *HELD_OUT)
    with pytest.raises(UserError, match=rf"b\.jpg: true_label: split {split} needs one, got the"):
        list(layout.rows())
    noise = NoiseSettings(kind="symmetric", rate=0.4)
    layout = table(tmp_path, "a.jpg,,-1,train", *HELD_OUT, synthetic_noise=noise)
    with pytest.raises(UserError, match=r"a\.jpg: true_label: synthetic noise needs one, got the"):
        list(layout.rows())


def test_a_marker_that_dataset_classes_names_is_a_class(tmp_path):
    rows = ("a.jpg,NA,,train", "b.jpg,FR,NA,train", "y.jpg,,NA,validation", "z.jpg,,FR,test")
    layout = table(tmp_path, *rows, "c.jpg,FR,?,train", classes=["FR", "NA"])
    assert layout.class_names() == ["FR", "NA"]
    assert labels(layout) == {"a": (1, -1), "b": (0, 1), "c": (0, -1), "y": (-1, 1), "z": (-1, 0)}
    layout = table(tmp_path, "a.jpg,0.0,-1,train", *HELD_OUT, classes=[-1, 0, 1])
    assert labels(layout) == {"a": (1, 0), "y": (-1, 1), "z": (-1, 2)}


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        ("Cat", "cat", "upper and lower case"),
        ("caf\u00e9", "cafe\u0301", "Unicode form"),
        ("cat", "cat\u200b", "spaces or invisible characters"),
        ("cat", "\ufeffcat", "spaces or invisible characters"),
        ("ice cream", "ice\u00a0cream", "look-alike characters"),
        ("ice cream", "ice\u200b cream", "look-alike characters"),
        ("cat", "cat ", "spaces or invisible characters"),
        ("STRASSE", "stra\u00dfe", "upper and lower case"),
        ("1", "1.0", "the form of a number"),
    ],
)  # fmt: skip
def test_spellings_that_differ_only_in_form_are_refused_and_both_are_shown(
    tmp_path, one, other, difference
):
    layout = table(tmp_path, f"a.jpg,{one},dog,train", f'b.jpg,"{other}",,train', *NAMED[1:])
    with pytest.raises(UserError, match=r"table\.csv: .* differ only in ") as error:
        layout.class_names()
    message = str(error.value)
    assert message.isascii()
    assert f"{one!a}, line 2 and {other!a}, line 3 differ only in" in message
    assert difference in message


def test_one_spelling_with_something_invisible_around_it_is_the_name_itself(tmp_path):
    rows = ("a.jpg,cat ,,train", 'b.jpg,"cafe\u0301\u200b",,train', "c.jpg,,cat ,test")
    assert table(tmp_path, *rows).class_names() == ["caf\u00e9", "cat"]


@pytest.mark.parametrize("name", ["a\tb", "a\x85b", "a\u2028b", "a\x1bb"])
def test_a_name_that_would_break_the_list_of_classes_is_refused(tmp_path, name):
    layout = table(tmp_path, f"a.jpg,{name},,train", *NAMED)
    with pytest.raises(UserError, match="as the name of a class: expected text without tabs"):
        layout.class_names()


def test_the_given_classes_fix_the_order_and_may_be_without_pictures(tmp_path):
    rows = ("a.jpg,cat,dog,train", *NAMED)
    (tmp_path / "classes.txt").write_bytes(b"\xef\xbb\xbfdog\r\nbird\r\ncat\r\n")
    for classes in (["dog", "bird", "cat"], str(tmp_path / "classes.txt")):
        layout = table(tmp_path, *rows, classes=classes)
        assert layout.class_names() == ["dog", "bird", "cat"]
        assert labels(layout) == {"a": (2, 0), "y": (-1, 2), "z": (-1, 0)}
    assert tmp_path / "classes.txt" in layout.source_files()


def test_numbers_are_places_in_the_given_names(tmp_path):
    layout = table(tmp_path, "a.jpg,1,0.0,train", *HELD_OUT, classes=["dog", "cat"])
    assert layout.class_names() == ["dog", "cat"]
    assert labels(layout)["a"] == (1, 0)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("airplan,,train", "line 2: no class 'airplan'; did you mean 'airplane'"),
        ("zzz,,train", "line 2: no class 'zzz'; known are airplane, cat, dog"),
        ("airplane,Dog,train", "line 2: 'Dog' differs from the class 'dog' only in its form"),
        ("3,1,train", "line 2: label 3 is outside 0 to 2"),
        ("1,0.5,train", "line 2: label '0.5' is not a whole number"),
        ("1,cat,train", "'1', line 2 is the number of a class, and 'cat', line 2 a name"),
    ],
)
def test_any_other_label_than_the_given_is_refused(tmp_path, row, message):
    held_out = NAMED if row[0].isalpha() else HELD_OUT
    layout = table(tmp_path, f"a.jpg,{row}", *held_out, classes=["airplane", "cat", "dog"])
    with pytest.raises(UserError, match=rf"table\.csv.*{message}"):
        layout.class_names()


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["cat", "dog", "cat"], "dataset.classes: class 'cat' is listed twice"),
        (["caf\u00e9", "cafe\u0301"], "class 'caf.xe9' is listed twice"),
        (["cat", "ice cream", "ice\u00a0cream"], "differ only in look-alike"),
        (["cat", ""], "'' as the name of a class"),
        ("nowhere.txt", "nowhere.txt: cannot be read"),
    ],
)
def test_unfit_lists_of_classes_are_refused(tmp_path, classes, message):
    with pytest.raises(UserError, match=message):
        table(tmp_path, "a.jpg,cat,dog,train", *NAMED, classes=classes).class_names()


def test_given_classes_may_differ_in_case(tmp_path):
    """Letters are such classes; a list of them is no slip."""
    rows = ("a.jpg,a,A,train", "y.jpg,,a,validation", "z.jpg,,A,test")
    layout = table(tmp_path, *rows, classes=["A", "a"])
    assert labels(layout)["a"] == (1, 0)


def test_folders_follow_the_given_classes(tmp_path):
    root = write_image_folder(tmp_path)
    settings = {"layout": "image_folder", "root": str(root)}
    layout = open_layout(
        dataset_settings(**settings, classes=["stripes", "dots", "checks", "bars"])
    )
    assert layout.class_names() == ["stripes", "dots", "checks", "bars"]
    assert {row.observed for row in layout.rows() if "/bars/" in row.path and row.noisy} == {3}
    layout = open_layout(dataset_settings(**settings, classes=["stripes", "check", "bars"]))
    with pytest.raises(UserError, match=r"train/checks: no class 'checks' .* mean 'check'"):
        layout.class_names()


def test_folders_that_differ_only_in_form_are_refused(tmp_path):
    root = write_image_folder(tmp_path)
    (root / "train/Bars").mkdir()
    layout = open_layout(dataset_settings(layout="image_folder", root=str(root)))
    with pytest.raises(UserError, match="'Bars' and 'bars' differ only in upper and lower case"):
        layout.class_names()


def test_layouts_whose_classes_are_fixed_refuse_a_list_of_them():
    dataset = resolve({"dataset": {"layout": "cifar_n", "root": "/data", "classes": ["a", 1]}})
    with pytest.raises(
        UserError, match=r"dataset\.classes: layout cifar_n does .*image_folder, tab"
    ):
        used_settings(dataset["dataset"])


def test_words_among_the_given_classes_stay_words():
    """On a command line all is text; text that is a number, `true` or `null` elsewhere is a name."""
    classes = ["null", "true", "1.0", "7", 7]
    assert resolve({"dataset": {"classes": classes}})["dataset"]["classes"] == classes
    with pytest.raises(UserError, match=r"`dataset\.classes\.1`: expected .*text.*, got None"):
        resolve({"dataset": {"classes": ["a", None]}})


def test_names_of_clothing_that_differ_only_in_form_are_refused(tmp_path):
    root = write_clothing(tmp_path / "root", category_names_eng=["Coat", "Dress", "coat"])
    layout = open_layout(dataset_settings(layout="clothing1m", root=str(root)))
    with pytest.raises(UserError, match=r"names_eng\.txt: 'Coat' and 'coat' differ only in upper"):
        layout.class_names()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "images/0/a.jpg nan",
            r"entry 3: expected `key label`, .*'nan' is a marker for an unknown",
        ),
        ("images/0/a.jpg 0.5", r"key images/0/a\.jpg: label '0\.5' is not a whole number"),
        ("images/0/a.jpg\tCoats", r"key images/0/a\.jpg: no class 'Coats'; did you mean 'Coat'"),
        ("images/0/b.jpg\tDress", r"key images/0/b\.jpg has two labels, 1 and 2"),
        ("0\\b.jpg 2.0", r"key images/0/b\.jpg has two labels, 1 and 2"),
    ],
)
def test_observed_labels_of_clothing_that_mean_no_class_are_refused(tmp_path, line, message):
    lines = ["images/0/b.jpg 1", "images/0/c.jpg 2", line]
    root = write_clothing(tmp_path / "root", noisy_label_kv=lines)
    layout = open_layout(dataset_settings(layout="clothing1m", root=str(root)))
    with pytest.raises(UserError, match=rf"noisy_label_kv\.txt.*{message}"):
        list(layout.rows())


def test_unknown_true_labels_of_clothing_are_none(tmp_path):
    lines = [f"images/0/{key}.jpg {label}" for key, label in zip("acdef", "?1021", strict=True)]
    root = write_clothing(tmp_path / "root", clean_label_kv=[*lines, "images/0/b.jpg -1"])
    layout = open_layout(dataset_settings(layout="clothing1m", root=str(root)))
    assert [row.true for row in layout.rows()] == [-1, -1, 1, 0, 2, 1]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            ("a.jpg,0,cat,train", "b.jpg,1,dog,train", *NAMED),
            "label and true_label have no class in common",
        ),
        (
            ("a.jpg,cat,cat,train", "b.jpg,dog,unknown,train", *NAMED),
            "line 3: b.jpg: true_label 'unknown' is a class of no other label",
        ),
        (
            ("a.jpg,0,0.0,train", "b.jpg,1,1.0,train", "y.jpg,,True,validation", HELD_OUT[1]),
            "line 4: label 'True' among numbers",
        ),
    ],
    ids=["codes and names", "a word for unknown", "a word among numbers"],
)
def test_columns_that_do_not_fit_each_other_are_refused(tmp_path, rows, expected):
    with pytest.raises(UserError, match=expected):
        table(tmp_path, *rows).class_names()
