"""Every list of every layout may be saved with byte order marks, by any system, on any system."""

import unicodedata

import msgspec
import pytest
from samples import dataset_settings
from trees import TREES, write_table

from mct.base.errors import UserError
from mct.data.catalogue import build_catalogue, from_rows
from mct.data.layouts.registry import open_layout
from mct.labels.settings import NoiseSettings

FORMS = {
    "byte order mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 without mark": lambda text: text.encode("utf-16-be"),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "CR": lambda text: text.replace("\n", "\r").encode(),
    "marks in the middle, blank lines, end of file": lambda text: (
        text.replace("\n", "\n\ufeff", 1).replace("\n", "\r\r\n").encode("utf-8-sig") + b"\r\n\x1a"
    ),
    "numbers as floats, tabs": lambda text: "\n".join(
        line.rpartition(" ")[0] + "\t" + line.rpartition(" ")[2] + ".0"
        if line.rpartition(" ")[2].isdecimal()
        else line
        for line in text.split("\n")
    ).encode(),
}
LISTED = ("clothing1m", "webvision", "food101n", "table")
LISTS = ("*.txt", "*.tsv", "*.csv", "*/*.txt", "*/*.tsv", "*/*/*.txt")


def open_tree(name: str, root, **changes: object):
    if name == "food101n":
        changes["test_root"] = str(root / "food-101")
    return open_layout(dataset_settings(layout=name, root=str(root), **changes))


def lists_of(root):
    return sorted({path for pattern in LISTS for path in root.glob(pattern)})


def content(layout) -> tuple[list[str], list[tuple]]:
    return layout.class_names(), [tuple(row) for row in layout.rows()]


@pytest.mark.parametrize("name", LISTED)
@pytest.mark.parametrize("form", FORMS)
def test_every_list_in_every_form_gives_the_same_catalogue(tmp_path, name, form):
    root = TREES[name](tmp_path)
    expected, sizes = content(open_tree(name, root)), open_tree(name, root).sizes()
    for path in lists_of(root):
        plain = path.read_bytes()
        path.write_bytes(FORMS[form](plain.decode()))
        assert content(open_tree(name, root)) == expected, path
        assert open_tree(name, root).sizes() == sizes
        path.write_bytes(plain)


@pytest.mark.parametrize("name", LISTED)
def test_a_nul_byte_in_any_list_is_refused_with_its_line(tmp_path, name):
    root = TREES[name](tmp_path)
    for path in lists_of(root):
        plain = path.read_bytes()
        second = plain.split(b"\n", 2)[1]
        path.write_bytes(plain.replace(second, second + b"\0"))
        with pytest.raises(UserError, match=rf"{path.name}, line 2: a NUL byte"):
            content(open_tree(name, root))
        path.write_bytes(plain)


def line_with_foreign_label(path) -> bytes | None:
    """Return a line of a list whose label is not UTF-8, or None for a list of nothing but paths."""
    if path.name.endswith("key_list.txt") or path.name in ("imagelist.tsv", "test.txt"):
        return None
    if path.suffix == ".csv":
        return b"new.jpg,caf\xe9,,train\n"
    has_labels = "label_kv" in path.name or "filelist" in path.name or "verified" in path.name
    return b"new.jpg\tcaf\xe9\n" if has_labels else b"caf\xe9\n"


@pytest.mark.parametrize("name", LISTED)
def test_an_encoding_that_would_be_guessed_is_refused_with_place_and_byte(tmp_path, name):
    root = TREES[name](tmp_path)
    for path in lists_of(root):
        plain, line = path.read_bytes(), line_with_foreign_label(path)
        if line is not None:
            path.write_bytes(plain.replace(b"\n", b"\r\n", 1) + line)
            number = plain.count(b"\n") + 1
            place = rf"{path.name}, (line|entry) {number}"
            with pytest.raises(UserError, match=rf"{place}: byte 0xe9 is not UTF-8; save"):
                content(open_tree(name, root))
            path.write_bytes(plain)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"PK\x03\x04\x14\0\x06\0", "an Excel workbook or another zip file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook"),
        (b"\x1f\x8b\x08\0", "a compressed file"),
        (b"PAR1\x15\x04", "a Parquet file"),
    ],
)
def test_a_table_that_is_no_text_is_refused_with_what_to_save_it_as(tmp_path, data, kind):
    write_table(tmp_path)
    (tmp_path / "table.xlsx").write_bytes(data)
    expected = (
        rf"table\.xlsx: cannot be read as a table: it is {kind}; save it as text \(a table as CSV"
    )
    with pytest.raises(UserError, match=expected):
        open_tree("table", tmp_path, table="table.xlsx").sizes()


def with_table(root, text: str):
    (root / "table.csv").write_text(text)
    return open_tree("table", root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Path,label,true_label,split\n", "no column path; got .*; rename `Path` to `path`?"),
        (
            "Path;Label;True;Split\n",
            r"no column .*; got \['Path', 'Label', 'True', 'Split'\]; rename",
        ),
        ("path,labels,true_label,split\n", "no column label; got .*; rename `labels` to `label`?"),
        ("path,label,true_label,split,label\n", "2 columns are called `label`; keep one"),
        ("", r"no column path, label, true_label, split; got \[\]"),
        (
            "path,label,true_label,split\na,b.jpg,0,,train\n",
            "line 2: expected 4 cells, got 5; put a cell that holds the separator into double quotes",
        ),
        (
            'path,label,true_label,split\na.jpg,"0,,train\nb.jpg,1,,train\n',
            "line 2: unexpected end of data; a cell that begins with a quote must end with one",
        ),
        (
            'path,label,true_label,split\na.jpg,"x,,train\nb.jpg,"y,,train\nc.jpg,z,,train\n',
            "line 2: .*a cell that begins with a quote must end with one",
        ),
    ],
)
def test_tables_whose_columns_do_not_fit_are_refused(tmp_path, text, message):
    with pytest.raises(UserError, match=rf"table\.csv.*{message}"):
        with_table(tmp_path, text).class_names()


def test_rows_that_are_only_separators_are_no_rows(tmp_path):
    root = write_table(tmp_path)
    expected = content(open_tree("table", root))
    lines = (root / "table.csv").read_text().splitlines()
    padded = [f"{line},,," for line in lines]
    text = "\n".join([padded[0], ",,,,,,", *padded[1:], ",,,,,,", '"",,, ,,,', ",,,,,,"])
    layout = with_table(root, text)
    assert content(layout) == expected
    assert layout.sizes() == {"noisy": 8, "clean": 4, "validation": 2, "test": 2}


def test_a_row_may_lack_empty_cells_at_its_end(tmp_path):
    layout = with_table(
        tmp_path,
        "path,split,label,true_label\na.jpg,train,0\nb.jpg,train,1\nc.jpg,test,,1\nd.jpg,validation,,0\n",
    )
    assert [row.observed for row in layout.rows()] == [0, 1, -1, -1]


@pytest.mark.parametrize("name", ["clothing1m", "webvision", "food101n", "table"])
def test_lists_may_write_paths_as_windows_does(tmp_path, name):
    root = TREES[name](tmp_path)
    expected = content(open_tree(name, root))
    for path in lists_of(root):
        if path.name not in ("category_names_eng.txt", "synsets.txt", "classes.txt"):
            path.write_text(
                path.read_text().replace("/", "\\").replace("class_name\\key", "class_name/key")
            )
    assert content(open_tree(name, root)) == expected
    build_catalogue(open_tree(name, root))


@pytest.mark.parametrize("listed", ["NFC", "NFD"])
@pytest.mark.parametrize("stored", ["NFC", "NFD"])
def test_a_picture_is_found_whatever_the_unicode_form_of_its_path(tmp_path, listed, stored):
    root = write_table(tmp_path)
    name = "pictures/caf\u00e9.jpg"
    (root / "pictures/0.jpg").rename(root / unicodedata.normalize(stored, name))
    text = (root / "table.csv").read_text()
    row = unicodedata.normalize(listed, name)
    (root / "table.csv").write_text(text.replace("pictures/0.jpg", row), "utf-8")
    layout = open_tree("table", root)
    catalogue = build_catalogue(layout)
    assert catalogue.keys[0] == name
    assert layout.read(catalogue.paths[0]).startswith(b"\xff\xd8")


@pytest.mark.parametrize("path", ["./pictures/1.jpg", "pictures//1.jpg", "pictures\\1.jpg"])
def test_one_picture_in_two_spellings_of_its_path_is_listed_twice(tmp_path, path):
    """Else a test picture could be one that was trained on."""
    root = write_table(tmp_path)
    with (root / "table.csv").open("a") as file:
        file.write(f"{path},,bars,test\n")
    with pytest.raises(UserError, match=r"1 keys are listed twice: pictures/1\.jpg"):
        build_catalogue(open_tree("table", root))


@pytest.mark.parametrize("path", ["C:\\data\\1.jpg", "..\\1.jpg", "\\\\server\\share\\1.jpg"])
def test_paths_of_windows_that_lead_outside_are_refused(tmp_path, path):
    root = write_table(tmp_path)
    with (root / "table.csv").open("a") as file:
        file.write(f"{path},,bars,test\n")
    with pytest.raises(UserError, match="expected paths below the data set's folder"):
        build_catalogue(open_tree("table", root))


MEASURED = "pictures/5.jpg 2\npictures/6.jpg 0\n"


@pytest.mark.parametrize(
    "data",
    [
        MEASURED.encode("utf-8-sig"),
        MEASURED.encode("utf-16"),
        MEASURED.replace("\n", "\r").replace(" ", "\t").encode(),
        b"pictures\\5.jpg 2.0\r\n./pictures/6.jpg 0.0\r\npictures/7.jpg nan\r\n",
        b"pictures/5.jpg\tstripes\npictures/6.jpg\tbars\npictures/7.jpg\t-1\n",
    ],
)
def test_measuring_labels_are_read_in_the_same_forms(tmp_path, data):
    root = write_table(tmp_path)
    (root / "measured.txt").write_bytes(data)
    layout = open_tree("table", root, measuring_labels=str(root / "measured.txt"))
    true = {row.key: row.true for row in layout.rows()}
    assert [true[f"pictures/{number}.jpg"] for number in (5, 6, 7)] == [2, 0, -1]


def test_measuring_labels_of_other_pictures_are_refused(tmp_path):
    root = write_table(tmp_path)
    (root / "measured.txt").write_text("5.jpg 2\n6.jpg 0\n")
    layout = open_tree("table", root, measuring_labels=str(root / "measured.txt"))
    with pytest.raises(UserError, match=r"none of its 2 keys is in the data set: 5\.jpg, 6\.jpg"):
        list(layout.rows())


MATRIX = "0.9,0.1,0\n0,0.9,0.1\n0.1,0,0.9\n"


@pytest.mark.parametrize(
    "data",
    [
        MATRIX.encode("utf-8-sig"),
        MATRIX.encode("utf-16"),
        MATRIX.replace("\n", "\r").replace(",", "\t").encode(),
        MATRIX.replace(",", ";").replace(".", ",").encode(),
        MATRIX.replace("\n", ",,\r\n").encode() + b",,,,\r\n",
        b"# true by observed\n" + MATRIX.encode(),
    ],
)
def test_a_matrix_of_noise_is_read_in_the_same_forms(tmp_path, data):
    root = TREES["image_folder"](tmp_path)
    noise = NoiseSettings(kind="asymmetric", matrix=str(tmp_path / "plain.csv"))
    observed = []
    for name, text in (("plain.csv", MATRIX.encode()), ("other.csv", data)):
        (tmp_path / name).write_bytes(text)
        settings = msgspec.structs.replace(noise, matrix=str(tmp_path / name))
        layout = open_tree("image_folder", root, synthetic_noise=settings)
        observed.append(from_rows(layout.rows()).observed.tolist())
    assert observed[0] == observed[1]
