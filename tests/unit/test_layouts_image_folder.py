"""Folders of classes: what is drawn where a folder is missing, and what is refused."""

import numpy as np
import pytest
from samples import dataset_settings
from trees import write_image_folder

from mct.base.errors import UserError
from mct.data.catalogue import build_catalogue, source_digest
from mct.data.layouts.image_folder import ImageFolder
from mct.labels.settings import NoiseSettings


def folders(root, **changes: object) -> ImageFolder:
    return ImageFolder(dataset_settings(layout="image_folder", root=str(root), **changes))


def origins(layout) -> dict[str, set[str]]:
    """Return the folders that each set's pictures lie in, and check the sizes."""
    catalogue = build_catalogue(layout)
    sizes = {name: int(members.sum()) for name, members in catalogue.members.items()}
    assert layout.sizes() == sizes
    assert sum(sizes.values()) == len(catalogue)
    tops = np.array([path.split("/")[0] for path in catalogue.paths])
    return {name: set(tops[members]) for name, members in catalogue.members.items()}


def test_each_folder_is_a_set(tmp_path):
    layout = folders(write_image_folder(tmp_path))
    assert origins(layout) == {
        "noisy": {"train"}, "clean": {"clean"}, "validation": {"validation"}, "test": {"test"},
    }  # fmt: skip
    rows = {row.key: row[2:4] for row in layout.rows()}
    assert layout.class_names() == ["bars", "checks", "stripes"]
    assert rows["train/checks/3.jpg"] == (1, -1)
    assert rows["clean/checks/1.jpg"] == rows["test/checks/0.jpg"] == (-1, 1)


@pytest.mark.parametrize(
    ("counts", "fraction", "expected"),
    [
        ({"train": 2, "validation": 4, "test": 2}, 0.5, ("validation", "validation", "test", 6)),
        ({"train": 2, "validation": 6}, 0.5, ("validation", "validation", "validation", 9)),
        ({"train": 2, "test": 6}, 0.25, ("test", "test", "test", 4)),
        ({"train": 2, "clean": 2, "test": 4}, None, ("clean", "test", "test", 6)),
        ({"train": 2, "clean": 2, "validation": 4}, None, ("clean", "validation", "validation", 6)),
    ],
)
def test_sets_without_folder_are_drawn_from_held_out_pictures(tmp_path, counts, fraction, expected):
    layout = folders(write_image_folder(tmp_path, **counts), clean_fraction=fraction)
    found = origins(layout)
    assert found["noisy"] == {"train"}
    assert tuple(found[name] for name in ("clean", "validation", "test")) == tuple(
        {name} for name in expected[:3]
    )
    assert layout.sizes()["clean"] == expected[3]


@pytest.mark.parametrize(
    ("counts", "fraction", "message"),
    [
        (
            {"train": 2, "validation": 2, "test": 2},
            None,
            "expected a folder clean/, or a dataset.cl",
        ),
        ({"train": 2, "clean": 2, "test": 2}, 0.5, "clean_fraction: .* expected null, got 0.5"),
        ({"train": 2, "clean": 2}, None, "expected a folder validation/ or test/"),
        ({"clean": 2, "test": 2}, None, "expected a folder train/"),
    ],
)
def test_sets_that_come_from_nowhere_are_refused(tmp_path, counts, fraction, message):
    root = write_image_folder(tmp_path, **counts)
    with pytest.raises(UserError, match=message):
        folders(root, clean_fraction=fraction)


def test_an_unknown_class_is_refused(tmp_path):
    root = write_image_folder(tmp_path)
    (root / "test/dots").mkdir()
    with pytest.raises(UserError, match="test/dots: expected a class of train/"):
        folders(root).sizes()


def test_a_new_picture_changes_the_digest_and_other_files_do_not(tmp_path):
    root = write_image_folder(tmp_path)
    before = source_digest(folders(root))
    (root / "train/bars/notes.txt").write_text("no picture")
    (root / "train/.hidden").mkdir()
    assert source_digest(folders(root)) == before
    (root / "train/bars/new.PNG").write_bytes(b"")
    assert source_digest(folders(root)) != before


@pytest.mark.parametrize("kind", ["symmetric", "instance_dependent"])
@pytest.mark.parametrize("builtin", [True, False])
def test_synthetic_noise_takes_the_folders_for_the_truth(tmp_path, builtin, kind):
    root = write_image_folder(tmp_path, train=20, clean=1, validation=1, test=1)
    noise = NoiseSettings(kind=kind, rate=0.5)
    measuring = "builtin" if builtin else None
    layout = folders(root, synthetic_noise=noise, measuring_labels=measuring)
    rows = [row for row in layout.rows() if row.noisy]
    true = [layout.class_names().index(row.key.split("/")[1]) for row in rows]
    assert [row.true for row in rows] == (true if builtin else [-1] * 60)
    wrong = np.mean([row.observed != label for row, label in zip(rows, true, strict=True)])
    assert 0.2 < wrong < 0.8


def test_builtin_measuring_labels_need_synthetic_noise(tmp_path):
    with pytest.raises(UserError, match="image_folder brings no true labels"):
        folders(write_image_folder(tmp_path), measuring_labels="builtin")


def test_a_folder_that_is_a_link_to_outside_is_refused(tmp_path):
    root = write_image_folder(tmp_path / "root")
    outside = write_image_folder(tmp_path / "other") / "train"
    (root / "train/dots").symlink_to(outside / "bars")
    with pytest.raises(UserError, match="train/dots is a link that leads outside"):
        build_catalogue(folders(root))
    (root / "train/dots").unlink()
    (root / "val").symlink_to(outside)
    with pytest.raises(UserError, match="val is a link that leads outside"):
        folders(root)
