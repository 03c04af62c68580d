"""CIFAR-N: human labels beside CIFAR's batches, and truth that only measures."""

import os
import pickle

import numpy as np
import pytest
from samples import dataset_settings
from trees import write_cifar

from mct.base.errors import UserError
from mct.data.catalogue import build_catalogue
from mct.data.layouts.cifar_n import CifarN
from mct.data.pictures import decode
from mct.labels.settings import NoiseSettings


def cifar(root, **changes: object) -> CifarN:
    return CifarN(dataset_settings(layout="cifar_n", root=str(root), **changes))


def rewrite(path, **changes: object) -> None:
    """Replace entries of a pickled dictionary."""
    found = pickle.loads(path.read_bytes())
    path.write_bytes(pickle.dumps({**found, **changes}, protocol=2))


def test_a_part_of_training_is_clean_and_stays_noisy(tmp_path):
    layout = cifar(write_cifar(tmp_path), clean_fraction=0.2, validation_fraction=0.2)
    rows = list(layout.rows())
    assert layout.sizes() == {"noisy": 40, "clean": 8, "validation": 10, "test": 10}
    catalogue = build_catalogue(layout)
    assert {n: int(m.sum()) for n, m in catalogue.members.items()} == layout.sizes()
    assert all(row.noisy for row in rows if row.clean)
    assert len(catalogue.doubly_labelled()[0]) == 8
    for row in rows:
        label = int(row.key[-9:-4]) % 10
        assert row.true == (label if not row.noisy or row.clean else -1)


def test_observed_labels_are_those_of_the_label_set_in_the_order_of_the_batches(tmp_path):
    root = write_cifar(tmp_path)
    rows = [row for row in cifar(root, label_set="aggre_label").rows() if row.noisy]
    for row in rows:
        batch, place = int(row.key[11]) - 1, int(row.key[-9:-4])
        wrong = (10 * batch + place) % 3 == 0
        assert row.observed == (place + wrong) % 10
    assert root / "CIFAR-10_human.pt" in cifar(root).source_files()


@pytest.mark.parametrize("builtin", [True, False])
def test_truth_of_training_is_known_only_to_measure(tmp_path, builtin):
    changes = {"measuring_labels": "builtin"} if builtin else {}
    layout = cifar(write_cifar(tmp_path), **changes)
    rows = [row for row in layout.rows() if row.noisy and not row.clean]
    assert {row.true == int(row.key[-9:-4]) % 10 for row in rows} == {builtin}
    assert {row.true == -1 for row in rows} == {not builtin}
    # What is counted on does not change.
    assert len(build_catalogue(layout).doubly_labelled()[0]) == layout.sizes()["clean"]


def test_pictures_are_the_rows_of_the_batches(tmp_path):
    root = write_cifar(tmp_path)
    batch = pickle.loads((root / "cifar-10-batches-py/data_batch_3").read_bytes())
    expected = batch[b"data"][4].reshape(3, 32, 32).transpose(1, 2, 0)
    found = decode(cifar(root).read("data_batch_3/00004.png"), "picture")
    np.testing.assert_array_equal(found, expected)


def test_the_label_set_of_cifar_100_takes_its_files(tmp_path):
    layout = cifar(write_cifar(tmp_path, classes=100, per_batch=60), label_set="noisy_label")
    assert len(layout.class_names()) == 100
    assert layout.sizes() == {"noisy": 54, "clean": 5, "validation": 6, "test": 60}
    keys = {row.key.split("/")[0] for row in layout.rows()}
    assert keys == {"train", "test"}


def test_synthetic_noise_needs_no_human_labels(tmp_path):
    root = write_cifar(tmp_path)
    (root / "CIFAR-10_human.pt").unlink()
    noise = NoiseSettings(kind="asymmetric", rate=0.4)
    rows = [r for r in cifar(root, synthetic_noise=noise, seed=1).rows() if r.noisy]
    shifts = {(row.observed - int(row.key[-9:-4])) % 10 for row in rows}
    assert shifts == {0, 1}
    again = [r for r in cifar(root, synthetic_noise=noise, seed=1).rows() if r.noisy]
    assert rows == again


def test_measuring_labels_may_be_a_file(tmp_path):
    root = write_cifar(tmp_path)
    (root / "measured.txt").write_text("".join(f"train/{i:05d}.png 1\n" for i in range(60)))
    changes = {"classes": 100, "per_batch": 60}
    write_cifar(tmp_path / "hundred", **changes)
    layout = cifar(
        tmp_path / "hundred", label_set="noisy_label",
        measuring_labels=str(root / "measured.txt"),
    )  # fmt: skip
    with pytest.raises(UserError, match=r"measured\.txt: key train/.* has two true labels"):
        list(layout.rows())


class Touch:
    """Pickles as a command that leaves a file behind."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("name", ["CIFAR-10_human.pt", "cifar-10-batches-py/data_batch_4"])
def test_a_file_that_runs_commands_is_refused(tmp_path, name):
    root = write_cifar(tmp_path)
    rewrite(root / name, more=Touch(tmp_path / "victim"))
    (tmp_path / "victim").unlink(missing_ok=True)
    with pytest.raises(UserError, match=rf"{name}: refused as unsafe: .* posix\.system"):
        list(cifar(root).rows())
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clean_label": np.arange(50) // 5}, "clean_label differs from the labels in .* at "),
        ({"worse_label": np.arange(50)}, "worse_label: expected labels 0 to 9"),
        ({"worse_label": np.arange(49)}, r"worse_label: expected 50 integers, got int64 .*\(49,\)"),
        ({"worse_label": np.zeros(50)}, "worse_label: expected 50 integers, got float64"),
    ],
)
def test_wrong_human_labels_are_refused(tmp_path, changes, message):
    root = write_cifar(tmp_path)
    rewrite(root / "CIFAR-10_human.pt", **changes)
    with pytest.raises(UserError, match=rf"CIFAR-10_human\.pt: {message}"):
        list(cifar(root).rows())


def test_a_label_set_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    layout = cifar(write_cifar(tmp_path), label_set="random_label2")
    with pytest.raises(UserError, match="no random_label2 in it; it has aggre_label, clean_label"):
        list(layout.rows())


def test_a_batch_of_another_shape_is_refused(tmp_path):
    root = write_cifar(tmp_path)
    path = root / "cifar-10-batches-py/data_batch_2"
    batch = {b"data": np.zeros((10, 3071), np.uint8), b"labels": list(range(10))}
    path.write_bytes(pickle.dumps(batch, protocol=2))
    with pytest.raises(
        UserError, match=r"data_batch_2: data: expected bytes of shape \(10, 3072\)"
    ):
        list(cifar(root).rows())


@pytest.mark.parametrize(
    "name",
    ["CIFAR-10_human.pt", "cifar-10-batches-py/test_batch", "cifar-10-batches-py/data_batch_5"],
)
def test_missing_files_are_refused(tmp_path, name):
    root = write_cifar(tmp_path)
    (root / name).unlink()
    with pytest.raises(UserError, match=f"{name}: cannot be read: No such file"):
        list(cifar(root).rows())


@pytest.mark.parametrize("labels", [[0.5] * 10, [-1] * 10, [10] * 10, [float("nan")] * 10])
def test_labels_that_are_no_numbers_of_classes_are_refused(tmp_path, labels):
    """Half a class used to be rounded down, and -1 to be an unknown label."""
    root = write_cifar(tmp_path)
    rewrite(root / "cifar-10-batches-py/test_batch", labels=labels)
    with pytest.raises(
        UserError, match=r"test_batch: labels: entry 0: expected a whole number from"
    ):
        list(cifar(root).rows())


def test_labels_of_a_batch_may_be_whole_floats(tmp_path):
    root = write_cifar(tmp_path)
    expected = list(cifar(root).rows())
    rewrite(root / "cifar-10-batches-py/test_batch", labels=[float(label) for label in range(10)])
    assert list(cifar(root).rows()) == expected


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([b"cat", b"Cat", *[f"{i}x".encode() for i in range(8)]], "'cat' and 'Cat' differ only in"),
        ([b"cat", b"cat", *[f"{i}x".encode() for i in range(8)]], "class 'cat' is listed twice"),
        (None, "label_names: expected a list of names, got None"),
    ],
)
def test_unfit_names_of_classes_are_refused(tmp_path, names, message):
    root = write_cifar(tmp_path)
    rewrite(root / "cifar-10-batches-py/batches.meta", label_names=names)
    with pytest.raises(UserError, match=rf"batches\.meta.*{message}"):
        cifar(root).class_names()


def test_names_of_classes_that_are_not_utf_8_are_shown_by_their_bytes(tmp_path):
    root = write_cifar(tmp_path)
    names = [b"caf\xe9", *[f"{i}x".encode() for i in range(9)]]
    rewrite(root / "cifar-10-batches-py/batches.meta", label_names=names)
    assert cifar(root).class_names()[0] == "caf\\xe9"
