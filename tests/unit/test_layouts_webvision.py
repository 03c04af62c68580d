"""WebVision's lists: rows, its mini subset, and where the clean set comes from."""

import pytest
from samples import dataset_settings
from trees import write_pictures, write_webvision

from mct.base.errors import UserError
from mct.data.catalogue import build_catalogue, source_digest
from mct.data.layouts.webvision import WebVision


def webvision(root, **changes: object) -> WebVision:
    return WebVision(dataset_settings(layout="webvision", root=str(root), **changes))


def counts(layout) -> dict[str, int]:
    catalogue = build_catalogue(layout)
    return {name: int(members.sum()) for name, members in catalogue.members.items()}


def test_rows_are_those_of_the_lists(tmp_path):
    layout = webvision(write_webvision(tmp_path), clean_fraction=0.2)
    rows = {row.key: row for row in layout.rows()}
    assert layout.class_names() == ["stripes0", "bars1", "checks2"]
    assert counts(layout) == layout.sizes()
    assert layout.sizes() == {"noisy": 24, "clean": 6, "validation": 12, "test": 12}
    assert rows["flickr/q0002/1.jpg"][2:8] == (2, -1, True, False, False, False)
    held_out = [row for row in rows.values() if not row.noisy]
    assert all(row.clean + row.validation + row.test == 1 for row in held_out)
    assert all(row.true == int(row.key[-7:-4]) % 3 and row.observed == -1 for row in held_out)


def test_mini_is_the_first_fifty_classes_of_google(tmp_path):
    layout = webvision(write_webvision(tmp_path, classes=52, per_class=1), subset="mini")
    rows = list(layout.rows())
    assert len(layout.class_names()) == 50
    assert {row.key.split("/")[0] for row in rows} == {"google", "val_images_256"}
    assert {max(row.observed, row.true) for row in rows} == set(range(50))
    assert counts(layout) == layout.sizes() == {
        "noisy": 50, "clean": 50, "validation": 225, "test": 225,
    }  # fmt: skip


def test_mini_refuses_wrong_lines_of_other_classes_too(tmp_path):
    root = write_webvision(tmp_path, classes=52, per_class=1)
    with (root / "info/train_filelist_google.txt").open("a") as lists:
        lists.write("google/a.jpg\n")
    with pytest.raises(UserError, match=r"google\.txt, entry 53: expected `key label`"):
        list(webvision(root, subset="mini").rows())


def test_clean_pictures_come_from_a_folder_of_synsets(tmp_path):
    root = write_webvision(tmp_path / "root")
    clean = {f"n{label:08d}/{number}.JPEG": label for label in range(3) for number in range(2)}
    write_pictures(tmp_path / "ilsvrc", clean)
    layout = webvision(root, clean_root=str(tmp_path / "ilsvrc"))
    found = {row.path: row.true for row in layout.rows() if row.clean}
    assert found == {f"clean:{path}": label for path, label in clean.items()}
    assert counts(layout) == layout.sizes() == {
        "noisy": 24, "clean": 6, "validation": 15, "test": 15,
    }  # fmt: skip
    picture = tmp_path / "ilsvrc/n00000001/1.JPEG"
    assert layout.read("clean:n00000001/1.JPEG") == picture.read_bytes()
    before = source_digest(layout)
    picture.unlink()
    assert source_digest(webvision(root, clean_root=str(tmp_path / "ilsvrc"))) != before


def test_sets_depend_on_the_seed_alone(tmp_path):
    root = write_webvision(tmp_path)
    assert list(webvision(root).rows()) == list(webvision(root).rows())
    assert list(webvision(root).rows()) != list(webvision(root, seed=1).rows())


def test_measuring_labels_are_of_noisy_pictures(tmp_path):
    root = write_webvision(tmp_path)
    (root / "measured.txt").write_text("google/q0000/0.jpg 2\n")
    layout = webvision(root, measuring_labels=str(root / "measured.txt"))
    assert {row.key: row.true for row in layout.rows()}["google/q0000/0.jpg"] == 2
    assert root / "measured.txt" in layout.source_files()


@pytest.mark.parametrize(
    ("file", "line", "message"),
    [
        ("train_filelist_google", "google/a.jpg 3", "label 3 is outside 0 to 2"),
        ("train_filelist_flickr", "flickr/a.jpg", "expected `key label`"),
        ("train_filelist_google", "../a.jpg 1", r"train_filelist_google\.txt: .* got \.\./a\.jpg"),
        (
            "val_filelist",
            "/etc/passwd 1",
            r"val_filelist\.txt: expected paths below .* /etc/passwd",
        ),
        ("val_filelist", "absent.jpg 1", r"1 of 55 .* not there: val_images_256/absent\.jpg"),
    ],
)
def test_wrong_lists_are_refused(tmp_path, file, line, message):
    root = write_webvision(tmp_path)
    with (root / f"info/{file}.txt").open("a") as lists:
        lists.write(f"{line}\n")
    with pytest.raises(UserError, match=message):
        build_catalogue(webvision(root))


def test_wrong_settings_are_refused(tmp_path):
    root = write_webvision(tmp_path)
    with pytest.raises(UserError, match=r"dataset\.clean_root: no such folder: nowhere"):
        webvision(root, clean_root="nowhere")
    with pytest.raises(UserError, match="webvision brings no true labels"):
        webvision(root, measuring_labels="builtin")
    with pytest.raises(UserError, match=r"clean_fraction: 1\.0 of 30 .* leaves a set without"):
        list(webvision(root, clean_fraction=1.0).rows())
