"""Folders as lists: what is listed, what is skipped, what is refused, and that the numbers add up."""

import inspect
import io
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from odd_files import (
    LATIN,
    at_most,
    files_in,
    inspected,
    make_socket,
    quarantined,
    random_name,
)
from PIL import Image
from samples import dataset_settings, encode, picture_of
from trees import CLASSES, write_animal10n, write_image_folder, write_webvision

from mct.base.errors import UserError
from mct.data.catalogue import build_catalogue
from mct.data.layouts.base import Layout
from mct.data.layouts.registry import open_layout
from mct.data.pictures import ENDINGS, FORMATS
from mct.data.verdict import folders_below


def layout_of(root: Path, layout: str = "image_folder", **changes: object) -> Layout:
    return open_layout(dataset_settings(layout=layout, root=str(root), **changes))


def listed(root: Path, **changes: object) -> set[str]:
    """Return the keys of a folder's catalogue."""
    return set(build_catalogue(layout_of(root, **changes)).keys)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_image_folder(tmp_path / "root")


FOREIGN = (
    "@eaDir", "__MACOSX", "lost+found", ".ipynb_checkpoints", "#recycle", "$RECYCLE.BIN",
    "System Volume Information", ".Trash-1000", ".hidden",
)  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_folders_of_other_programs_are_no_classes_and_are_counted(root, name):
    before = listed(root)
    for place in ("", "train", "test", "train/bars"):
        (root / place / name / "deep").mkdir(parents=True)
        for file in ("a.jpg", "deep/b.jpg"):
            (root / place / name / file).write_bytes(encode(picture_of(1)))
    layout = layout_of(root)
    assert layout.class_names() == sorted(CLASSES)
    assert set(build_catalogue(layout).keys) == before
    assert sum(one.files for one in layout.skipped()) == 8
    assert {one.path for one in layout.skipped()} == {
        f"{place}{name}/" for place in ("", "train/", "test/", "train/bars/")
    }


def test_what_systems_leave_in_folders_is_skipped_by_name(root):
    files = ("Thumbs.db", ".DS_Store", "._0.jpg", "desktop.ini")
    before = listed(root)
    for name in files:
        (root / "train/bars" / name).write_bytes(encode(picture_of(1)))
    assert listed(root) == before
    found = {one.path: one.reason for one in layout_of(root).skipped()}
    assert found == {
        f"train/bars/{name}": "hidden" if name[0] == "." else "special" for name in files
    }


def test_pictures_in_deeper_folders_are_of_the_class_of_the_first(root):
    for path in ("train/bars/images/a.jpg", "train/bars/x/y/z/b.jpg", "test/checks/bars2/c.jpg"):
        (root / path).parent.mkdir(parents=True)
        (root / path).write_bytes(encode(picture_of(len(path))))
    rows = {row.key: row for row in layout_of(root).rows()}
    assert rows["train/bars/images/a.jpg"].observed == rows["train/bars/x/y/z/b.jpg"].observed == 0
    assert rows["test/checks/bars2/c.jpg"].true == 1
    assert layout_of(root).sizes()["noisy"] == 14


def test_a_class_inside_another_is_refused_by_name(root):
    (root / "train/bars/checks").mkdir()
    (root / "train/bars/checks/a.jpg").write_bytes(encode(picture_of(1)))
    with pytest.raises(UserError, match=r"train/bars/checks/a\.jpg: two classes are in this path"):
        listed(root)


@pytest.mark.parametrize("top", ["train/bars/d", "train/bars/.hidden/d"])
def test_a_folder_deeper_than_the_stack_is_walked(root, top):
    folder = root / top / "/".join("d" * 300)
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_bytes(encode(picture_of(1)))
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 150)
    try:
        layout = layout_of(root)
        files = len(build_catalogue(layout)) + sum(one.files for one in layout.skipped())
    finally:
        sys.setrecursionlimit(limit)
    assert files == 31


def saved(form: str) -> bytes:
    """Return a picture as a file of a format."""
    buffer = io.BytesIO()
    Image.fromarray(picture_of(1, 32, 32)).save(buffer, format=form)
    return buffer.getvalue()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("ending", ["", ".large", "known"])
def test_pictures_of_all_formats_are_listed_whatever_their_ending(root, tmp_path, form, ending):
    names = [f"new{e}" for e in (ENDINGS[form] if ending == "known" else [ending])]
    for name in names:
        (root / "train/bars" / name).write_bytes(saved(form))
        (root / "train/checks" / name.upper()).write_bytes(saved(form))
    keys = listed(root)
    for name in names:
        assert {f"train/bars/{name}", f"train/checks/{name.upper()}"} <= keys
    assert quarantined(layout_of(root), tmp_path / "found") == {}


NO_PICTURES = {
    "README": b"Pictures of bars.", "BMW": b"BMW is a make of cars, and no bitmap at all.",
    "list.txt": b"a.jpg 1\n", "empty": b"", "page.php": b"<html></html>", "vector.svg": b"<svg/>",
    "phone.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "P": b"Python", "model.pkl": b"\x80\x04K\x01.",
}  # fmt: skip


def test_files_that_are_no_pictures_are_counted_as_skipped(root):
    before = listed(root)
    for name, data in NO_PICTURES.items():
        (root / "train/bars" / name).write_bytes(data)
        (root / name).write_bytes(data)
    (root / "train/stray.jpg").write_bytes(encode(picture_of(1)))
    assert listed(root) == before
    reasons = [one.reason for one in layout_of(root).skipped()]
    assert reasons.count("no_picture") == 9
    assert reasons.count("outside_classes") == 10


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_validation_may_be_abbreviated(root, name):
    (root / "validation").rename(root / name)
    catalogue = build_catalogue(layout_of(root))
    keys = np.array(catalogue.keys)[catalogue.members["validation"]]
    assert set(keys) == {f"{name}/{cls}/{i}.jpg" for cls in CLASSES for i in range(2)}


def test_two_folders_of_one_set_are_refused(root):
    (root / "val").mkdir()
    with pytest.raises(UserError, match="val/ and validation/ both mean validation"):
        listed(root)


@pytest.mark.parametrize(
    ("name", "near"),
    [("trian", "train"), ("Test", "test"), ("VAL", "val"), ("cleen", "clean"), ("testing", "test")],
)
def test_an_unknown_set_is_refused_with_the_nearest_known_one(root, name, near):
    (root / name / "bars").mkdir(parents=True)
    with pytest.raises(UserError, match=rf"{name}: no set has this name; did you mean {near}\?"):
        listed(root)


def test_an_unknown_class_is_refused_with_the_nearest_known_one(root):
    (root / "test/Strpes").mkdir()
    with pytest.raises(UserError, match=r"test/Strpes: expected a class .* mean stripes\?"):
        listed(root)


@pytest.mark.parametrize("twin", ["Bars", "bars ", "b\u200bars", "ｂars"])
def test_classes_that_look_alike_are_refused(root, twin):
    (root / "train" / twin).mkdir()
    with pytest.raises(UserError, match=r"train: .*'bars'"):
        listed(root)


ODD_FILES = {
    "pipe": (os.mkfifo, "no_file"),
    "socket": (make_socket, "no_file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "link_outside"),
    "link to nothing": (lambda path: path.symlink_to("nothing.jpg"), "no_file"),
    "link to itself": (lambda path: path.symlink_to(path.name), "no_file"),
    "link outside": (lambda path: path.symlink_to("../../../secret.jpg"), "link_outside"),
    "name": (lambda path: path.with_name(f"{LATIN}.jpg").touch(), "name_not_utf8"),
    "carriage return": (lambda path: path.with_name("a\r.jpg").touch(), "empty"),
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD_FILES)
def test_what_is_no_picture_but_named_like_one_costs_a_line(root, tmp_path, odd):
    (tmp_path / "secret.jpg").write_bytes(encode(picture_of(1)))
    make, kind = ODD_FILES[odd]
    make(root / "train/bars/odd.jpg")
    (root / "train/bars/good.jpg").symlink_to("0.jpg")
    with at_most(10, root):
        pairs = inspected(layout_of(root), tmp_path / "found")
    [finding] = [finding for _, finding in pairs if finding.kind]
    assert (finding.kind, "\n" in finding.reason) == (kind, False)
    assert len(pairs) == 32


def test_pipes_without_an_ending_are_skipped_and_never_opened(root):
    os.mkfifo(root / "train/bars/pipe")
    os.mkfifo(root / "pipe")
    make_socket(root / "train/bars/socket")
    with at_most(10, root):
        layout = layout_of(root)
        assert len(build_catalogue(layout)) == 30
    assert sorted(one.reason for one in layout.skipped()) == [
        "no_file", "no_file", "outside_classes",
    ]  # fmt: skip


def test_links_to_folders_end_no_walk(root):
    (root / "train/bars/up").symlink_to("../..")
    (root / "train/all").symlink_to("..")
    (root / "train/bars/other").symlink_to("../checks")
    layout = layout_of(root)
    assert layout.class_names() == sorted(CLASSES)
    assert len(build_catalogue(layout)) == 30
    assert {one.reason for one in layout.skipped()} == {"link_to_folder"}


def test_changes_are_watched_in_all_folders_of_the_data_set_and_nowhere_else(root, tmp_path):
    (tmp_path / "far/away").mkdir(parents=True)
    (root / "train/bars/deep").mkdir()
    (root / "train/bars/far").symlink_to(tmp_path / "far")
    (root / "train/bars/up").symlink_to("../../..")
    (root / "train/itself").symlink_to("itself")
    watched = {os.path.relpath(folder, root) for folder in folders_below(str(root))}
    sets = ("train", "clean", "validation", "test")
    classes = {f"{name}/{cls}" for name in sets for cls in CLASSES}
    assert watched == {".", *sets, *classes, "train/bars/deep"}


def test_folders_of_other_layouts_are_listed_in_the_same_way(tmp_path):
    animals = write_animal10n(tmp_path / "animals")
    (animals / "training/3_new.jfif").write_bytes(saved("JPEG"))
    (animals / "training/4_new").write_bytes(saved("PNG"))
    (animals / "testing/Thumbs.db").write_bytes(b"no picture")
    found = layout_of(animals, "animal10n")
    assert {"training/3_new.jfif", "training/4_new"} <= set(found.listed_names())
    assert [tuple(one) for one in found.skipped()] == [("testing/Thumbs.db", "special", 1)]
    web = write_webvision(tmp_path / "web")
    for label in range(3):
        (tmp_path / f"clean/n{label:08d}/@eaDir").mkdir(parents=True)
        (tmp_path / f"clean/n{label:08d}/one").write_bytes(saved("JPEG"))
        (tmp_path / f"clean/n{label:08d}/@eaDir/a.jpg").write_bytes(saved("JPEG"))
    found = layout_of(web, "webvision", clean_root=str(tmp_path / "clean"))
    assert found.sizes()["clean"] == 3
    assert sum(one.files for one in found.skipped()) == 3


ENDS = ("", ".jpg", ".JPG", ".jpe", ".avif", ".txt", ".db", ".png", ".php", ".tiff.bak")
CONTENTS = (encode(picture_of(1)), encode(picture_of(2), "JPEG"), b"", b"no picture", saved("GIF"))
PLACES = (
    "", "train", "train/bars", "train/checks", "test/bars", "val/stripes", "clean/bars",
    "train/bars/deeper", "train/bars/deeper/still", "train/.hidden", "train/stripes/@eaDir",
    "lost+found", "val/__MACOSX/bars",
)  # fmt: skip
TARGETS = ("0.jpg", "nothing.jpg", "../bars", "/etc", "/etc/passwd", "..", ".")


def make_entry(path: Path, kind: int, generator: np.random.Generator) -> None:
    """Make a file, or rarely a folder, a pipe, a socket or a link."""
    if kind == 0:
        os.mkfifo(path)
    elif kind == 1 and len(os.fsencode(path.name)) < 100:
        make_socket(path)
    elif kind in (2, 3, 4):
        target = TARGETS[generator.integers(len(TARGETS))] if kind < 4 else path.name
        path.symlink_to(target)
    elif kind == 5:
        path.mkdir()
        (path / f"x{LATIN}.jpg").write_bytes(CONTENTS[0])
    else:
        path.write_bytes(CONTENTS[generator.integers(len(CONTENTS))])


def write_fuzzed(root: Path, count: int, seed: int) -> None:
    """Write a folder of classes with `count` entries of odd names and kinds.

    Folders are only made where any name is admitted.
    """
    write_image_folder(root, train=2, clean=2, val=2, test=2)
    for place in PLACES:
        (root / place).mkdir(parents=True, exist_ok=True)
    generator, made = np.random.default_rng(seed), 0
    while made < count:
        place = PLACES[generator.integers(len(PLACES))]
        name = random_name(generator) if generator.random() < 0.7 else "n" * 240
        path = root / place / f"{name[:240]}{ENDS[generator.integers(len(ENDS))]}"
        kind = int(generator.integers(20))
        at_class_level = place in ("", "train", "test", "val", "clean")
        if os.path.lexists(path) or (at_class_level and kind in (2, 3, 5)):
            continue
        make_entry(path, kind, generator)
        made += 1


@pytest.mark.parametrize("seed", [0, 1])
def test_listed_skipped_and_quarantined_are_all_files_of_a_fuzzed_folder(tmp_path, seed):
    root = tmp_path / "root"
    write_fuzzed(root, 2000, seed)
    with at_most(120, root):
        layout = layout_of(root)
        pairs = inspected(layout, tmp_path / "found")
    skipped = sum(one.files for one in layout.skipped())
    left_out = [finding for _, finding in pairs if finding.kind]
    assert len(pairs) + skipped == files_in(root)
    assert {row.key for row, _ in pairs} == set(layout.listed_names())
    assert {finding.kind for finding in left_out} >= {
        "name_not_utf8", "empty", "unknown_format", "no_file",
    }  # fmt: skip
    used = [row for row, finding in pairs if not finding.kind]
    assert len(used) > 100
    assert all(re.fullmatch(r"[^\x00-\x1f\x7f]+", row.key) for row, _ in pairs)
    assert {one.reason for one in layout.skipped()} >= {
        "hidden", "special", "no_picture", "no_file", "outside_classes", "link_to_folder",
    }  # fmt: skip
