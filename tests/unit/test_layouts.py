"""Data sets in their own arrangement: what rows they give and what they refuse."""

import msgspec
import numpy as np
import pytest
from samples import dataset_settings, write_clothing
from trees import TREES

from mct.base.errors import UserError
from mct.base.keys import parse
from mct.data.catalogue import build_catalogue, source_digest
from mct.data.layouts.clothing1m import Clothing1M
from mct.data.layouts.digits import Digits
from mct.data.layouts.registry import LAYOUTS, layout_class, open_layout
from mct.data.layouts.settings import DatasetSettings
from mct.data.pictures import decode
from mct.experiment.configuration import resolve
from mct.experiment.stage_settings import layout_keys, used_settings
from mct.labels.settings import NoiseSettings


def digits(**changes: object) -> Digits:
    return Digits(dataset_settings(**changes))


def test_layouts_are_opened_by_name(tmp_path):
    assert isinstance(open_layout(dataset_settings()), Digits)
    root = str(write_clothing(tmp_path / "root"))
    assert isinstance(open_layout(dataset_settings(layout="clothing1m", root=root)), Clothing1M)
    with pytest.raises(UserError, match=r"dataset\.layout: .* got 'imagenet'"):
        open_layout(dataset_settings(layout="imagenet"))


@pytest.mark.parametrize("name", TREES)
def test_every_layout_makes_a_catalogue_of_its_tree(tmp_path, name):
    root = TREES[name](tmp_path)
    changes = {"test_root": str(root / "food-101")} if name == "food101n" else {}
    settings = dataset_settings(layout=name, root=str(root), **changes)
    layout = open_layout(settings)
    catalogue = build_catalogue(layout)
    assert len(source_digest(layout)) == 64
    assert layout.sizes() == {name: int(m.sum()) for name, m in catalogue.members.items()}
    for path in catalogue.paths[:: len(catalogue) // 3]:
        assert decode(open_layout(settings).read(path), path).shape[2] == 3


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("webvision", {}, "10 % of WebVision's validation pictures"),
        ("webvision", {"clean_root": "."}, "., not WebVision's own"),
        ("animal10n", {"clean_fraction": 0.3}, "30 % of the test pictures"),
        ("image_folder", {}, "the folder clean/"),
        ("table", {"clean_fraction": 0.5}, "50 % of the training pictures"),
        ("parquet", {"clean_fraction": 0.5}, "50 % of the training pictures with a true label"),
        ("webdataset", {}, "all of the training pictures with a true label"),
        ("cifar_n", {}, "10 % of the training pictures"),
        ("clothing1m", {}, "own verified pictures"),
    ],
)
def test_tables_can_say_where_the_clean_set_is_from(tmp_path, name, changes, words):
    root = TREES[name](tmp_path)
    layout = open_layout(dataset_settings(layout=name, root=str(root), **changes))
    assert words in layout.clean_source()


def noisy_layout(name, root, tmp_path, rate: float, **changes: object):
    """Return a layout of a tree with noise by pictures; a file has the truth that the tree lacks."""
    if name == "food101n":
        changes["test_root"] = str(root / "food-101")
    plain = dataset_settings(layout=name, root=str(root), **changes)
    truth = {row.key: row.true for row in open_layout(plain).rows() if row.true >= 0}
    given = [row for row in open_layout(plain).rows() if row.noisy]
    measured = tmp_path / "measured.txt"
    lines = [f"{row.key} {truth.get(row.key, row.observed)}\n" for row in given]
    measured.write_text("".join(lines))
    noise = NoiseSettings(kind="instance_dependent", rate=rate)
    changes["measuring_labels"] = "builtin" if name == "cifar_n" else str(measured)
    return open_layout(msgspec.structs.replace(plain, synthetic_noise=noise, **changes))


OWN_TRUTH = {"image_folder", "table", "parquet", "webdataset"}
"""Layouts that take the labels of training for true where noise is synthetic."""


@pytest.mark.parametrize("name", sorted({*TREES, "digits"} - OWN_TRUTH))
def test_every_layout_takes_noise_that_depends_on_pictures(tmp_path, name):
    root = TREES[name](tmp_path / "root") if name in TREES else tmp_path
    for rate, least, most in ((0.0, 0, 0), (0.6, 0.2, 0.95)):
        catalogue = build_catalogue(noisy_layout(name, root, tmp_path, rate))
        noisy = catalogue.members["noisy"]
        observed, true = catalogue.observed[noisy], catalogue.true[noisy]
        assert (true >= 0).all()
        assert least <= (observed != true).mean() <= most
        assert (catalogue.observed[~noisy] == -1).all()
        assert (catalogue.right == -1).all()


@pytest.mark.parametrize("name", ["clothing1m", "webvision", "food101n", "animal10n"])
def test_synthetic_noise_needs_the_truth(tmp_path, name):
    root = TREES[name](tmp_path)
    changes = {"test_root": str(root / "food-101")} if name == "food101n" else {}
    noise = NoiseSettings(kind="symmetric", rate=0.4)
    settings = dataset_settings(layout=name, root=str(root), synthetic_noise=noise, **changes)
    with pytest.raises(UserError, match=r"noise: \d+ noisy pictures have no true label to make"):
        build_catalogue(open_layout(settings))


def test_every_layout_of_files_has_a_tree_in_these_tests():
    assert set(TREES) == {name for name in LAYOUTS if name != "digits"}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_uses_known_keys(name):
    assert set(layout_class(name).keys) <= set(DatasetSettings.__struct_fields__)


def test_every_key_is_used_by_a_layout():
    used_by_some = {key for name in LAYOUTS for key in layout_keys(name)}
    assert set(DatasetSettings.__struct_fields__) == used_by_some


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_reads_no_key_that_it_does_not_name(tmp_path, name):
    """Its catalogue would not be made again where such a key changes."""
    root = None if name == "digits" else str(TREES[name](tmp_path))
    changes = {"test_root": f"{root}/food-101"} if name == "food101n" else {}
    read: set[str] = set()

    class Watched(DatasetSettings, frozen=True):
        def __getattribute__(self, key: str) -> object:
            read.add(key)
            return super().__getattribute__(key)

    plain = msgspec.to_builtins(dataset_settings(layout=name, root=root, **changes))
    layout = open_layout(parse(Watched, plain))
    build_catalogue(layout)
    source_digest(layout)
    assert "layout" in read or "synthetic_noise" in read
    assert read & set(DatasetSettings.__struct_fields__) <= set(layout_keys(name))


def used(**changes: object) -> dict:
    return used_settings(resolve({"dataset": changes})["dataset"])


def test_all_keys_of_a_layout_are_passed_on_and_none_of_others():
    common = {"layout", "seed", "synthetic_noise"}
    assert used().keys() == common | {"synthetic_noise_rate", "synthetic_clean_fraction"}
    files = common | {"root", "measuring_labels"}
    assert used(layout="clothing1m").keys() == files | {"archives"}
    given = used(layout="webvision", subset="mini", clean_fraction=0.2)
    assert given.keys() == files | set(layout_class("webvision").keys)
    assert parse(DatasetSettings, given).subset == "mini"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layout": "digits", "subset": "mini"}, "dataset.subset: layout digits does not use this"),
        ({"layout": "animal10n", "archives": True}, "dataset.archives: layout animal10n does not"),
        ({"layout": "clothing1m", "clean_fraction": 0.2}, "clean_fraction: layout clothing1m does"),
        (
            {"root": "/data"},
            r"root: layout digits does .* set dataset\.layout .* \(.*clothing1m, .*table, ",
        ),
        ({"measuring_labels": "builtin"}, "dataset.measuring_labels: layout digits does not use"),
        (
            {"layout": "clothing1m", "synthetic_noise_rate": 0.7},
            r"dataset\.synthetic_noise_rate: layout clothing1m does not .* \(digits\)",
        ),
        ({"layout": "table", "synthetic_clean_fraction": 0.5}, "clean_fraction: layout table does"),
        (
            {"synthetic_noise": {"rate": 0.3}},
            r"noise\.rate: kind none .* set dataset\.synthetic_noise",
        ),
        (
            {"synthetic_noise": {"matrix": "T.csv"}},
            "dataset.synthetic_noise.matrix: kind none does",
        ),
    ],
)
def test_settings_that_a_layout_does_not_use_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        used(**changes)


def test_every_digit_is_in_one_split_and_a_tenth_of_training_is_clean():
    layout = digits()
    rows = list(layout.rows())
    assert len({row.key for row in rows}) == len(rows) == 1797
    assert all(row.test + row.validation + row.noisy == 1 for row in rows)
    assert all(row.noisy for row in rows if row.clean)
    noisy, clean = sum(row.noisy for row in rows), sum(row.clean for row in rows)
    assert (sum(row.test for row in rows), sum(row.validation for row in rows)) == (500, 180)
    assert clean == round(noisy * 0.1)
    assert layout.sizes() == {"noisy": noisy, "clean": clean, "validation": 180, "test": 500}


@pytest.mark.parametrize(("fraction", "counts"), [(0.036, [4] * 10), (0.07, [7] * 2 + [8] * 8)])
def test_clean_digits_are_as_many_of_each_class(fraction: float, counts: list[int]):
    layout = digits(synthetic_clean_fraction=fraction)
    rows = [row for row in layout.rows() if row.clean]
    assert len(rows) == layout.sizes()["clean"] == sum(counts)
    assert sorted(np.bincount([row.true for row in rows])) == counts


def test_a_wrong_digit_is_taken_for_the_next():
    wrong = [row for row in digits().rows() if row.noisy and row.observed != row.true]
    assert {(row.observed - row.true) % 10 for row in wrong} == {1}


def test_about_forty_percent_of_the_digits_labels_are_wrong():
    rows = [row for row in digits().rows() if row.noisy]
    wrong = np.mean([row.observed != row.true for row in rows])
    # Four standard deviations of a share of 1,117.
    assert abs(wrong - 0.4) < 4 * (0.4 * 0.6 / len(rows)) ** 0.5


def test_no_label_is_observed_on_held_out_digits_and_all_are_true_without_noise():
    rows = list(digits(synthetic_noise_rate=0.0).rows())
    assert all(row.observed == (row.true if row.noisy else -1) for row in rows)


def test_digits_depend_on_the_seed_alone():
    assert list(digits(seed=3).rows()) == list(digits(seed=3).rows())
    one, other = ({row.key: row for row in digits(seed=seed).rows()} for seed in (3, 4))
    assert one.keys() == other.keys()
    assert one != other


def test_another_matrix_of_noise_is_another_source_of_the_digits(tmp_path):
    path = tmp_path / "T.csv"
    layout = digits(synthetic_noise=NoiseSettings(kind="asymmetric", matrix=str(path)))
    digests = set()
    for rows in (np.eye(10), np.roll(np.eye(10), 1, axis=1)):
        np.savetxt(path, rows, delimiter=",")
        digests.add(source_digest(layout))
    assert len(digests) == 2
    assert digits().source_files() == []


def test_digits_are_read_as_they_ship():
    from sklearn.datasets import load_digits

    layout, images = digits(), load_digits().images
    for row in list(layout.rows())[:20]:
        picture = decode(layout.read(row.path), row.path)
        assert picture.shape == (8, 8, 3)
        expected = np.round(images[int(row.key)] * 255 / 16)
        np.testing.assert_array_equal(picture, np.repeat(expected[..., None], 3, axis=2))
