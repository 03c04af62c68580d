"""Tars of samples: sets, labels in `.cls` and `.json`, and what is skipped or refused."""

import io
import json
import tarfile
from pathlib import Path

import pytest
from samples import dataset_settings, encode, picture_of
from trees import write_tar, write_webdataset

from mct.base.errors import UserError
from mct.base.threads import map_in_threads
from mct.data.catalogue import build_catalogue, source_digest
from mct.data.inspection import find
from mct.data.intake import Listed
from mct.data.layouts.webdataset import WebDataset
from mct.experiment.configuration import resolve
from mct.experiment.methods import check_confusions
from mct.labels.settings import NoiseSettings

PICTURE = encode(picture_of(0))
NAMES = ["bars", "checks", "stripes"]
TEST = {"a.png": PICTURE, "a.cls": b"0", "b.png": PICTURE, "b.cls": b"1"}


def opened(root: Path, **changes: object) -> WebDataset:
    return WebDataset(dataset_settings(layout="webdataset", root=str(root), **changes))


def write(root: Path, **members: bytes) -> Path:
    """Write a test tar of two classes and a training tar of members; `a_png` is `a.png`."""
    write_tar(root / "test-0.tar", TEST)
    files = {name.replace("_", "."): data for name, data in members.items()}
    write_tar(root / "train-0.tar", files)
    return root


def labels_of(root: Path, **changes: object) -> dict[str, int]:
    layout = opened(root, **{"clean_fraction": 0.5, **changes})
    return {row.key: row.observed for row in layout.rows() if row.noisy}


def refusal(root: Path, **changes: object) -> str:
    with pytest.raises(UserError) as error:
        build_catalogue(opened(root, **{"clean_fraction": 0.5, **changes}))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_rows_of_training_are_noisy_and_those_with_a_true_label_clean_as_well(tmp_path):
    layout = opened(write_webdataset(tmp_path))
    rows = {row.key: row[2:8] for row in layout.rows()}
    assert layout.class_names() == NAMES
    assert rows["train-000000.tar/00002.jpg"] == (2, -1, True, False, False, False)
    assert rows["train-000001.tar/10005.jpg"] == (2, 1, True, True, False, False)
    assert rows["validation-000000.tar/00003.jpg"] == (-1, 2, False, False, True, False)
    assert rows["test-000000.tar/00001.jpg"] == (-1, 0, False, False, False, True)
    catalogue = build_catalogue(layout)
    sizes = {"noisy": 16, "clean": 8, "validation": 4, "test": 4}
    assert layout.sizes() == sizes == {n: int(m.sum()) for n, m in catalogue.members.items()}
    assert len(catalogue.doubly_labelled()[0]) == 8
    assert layout.counts_confusion and layout.counts_rate
    assert sorted(layout.listed_names()) == sorted(catalogue.keys)


def test_without_true_labels_clean_pictures_are_held_out(tmp_path):
    root = write_webdataset(tmp_path, verified=False, train=4, test=12)
    layout = opened(root, clean_fraction=0.25)
    assert layout.sizes() == {"noisy": 8, "clean": 3, "validation": 4, "test": 5}
    assert len(build_catalogue(layout)) == 20
    assert not layout.counts_confusion
    assert "nothing is known to be clean" in refusal(root, clean_fraction=None)


def test_whether_labels_were_checked_is_known_from_the_first_that_was(tmp_path):
    """A plan asks for it whenever it is made; the tars after it need not be read."""
    root = write_webdataset(tmp_path)
    (root / "train-000001.tar").write_bytes(b"no tar")
    layout = opened(root)
    assert layout.counts_confusion
    with pytest.raises(UserError, match=r"train-000001\.tar: cannot be read as a tar"):
        layout.class_names()


def test_where_nothing_is_counted_no_tar_is_read_for_it(tmp_path):
    write(tmp_path, a_png=PICTURE, a_cls=b"0")
    (tmp_path / "train-0.tar").write_bytes(b"no tar")
    dataset = {"layout": "webdataset", "root": str(tmp_path), "name": "made", "noise_rate": 0.3}
    config = resolve({"dataset": dataset, "methods": ["mct"], "mct": {"confusion": "estimated"}})
    check_confusions(config, opened(tmp_path))
    with pytest.raises(UserError, match="cannot be read as a tar"):
        check_confusions(
            {**config, "mct": {**config["mct"], "confusion": "counted"}}, opened(tmp_path)
        )


def test_pictures_are_read_where_they_are_by_any_number_of_threads(tmp_path):
    root = write_webdataset(tmp_path)
    paths = [row.path for row in opened(root).rows()]
    found = list(map_in_threads(opened(root).read, paths[::-1], 4))
    for path, data in zip(paths[::-1], found, strict=True):
        tar, _, member = path.partition("/")
        with tarfile.open(root / tar) as file:
            assert file.extractfile(member).read() == data
    assert sorted(path.suffix for path in root.iterdir()) == [".tar"] * 4


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a_cls": b"1"}, 1),
        ({"a_cls": b"\xef\xbb\xbf 1\r\n"}, 1),
        ({"a_json": b'{"label": 1}'}, 1),
        ({"a_json": b'{"label": "1", "caption": "a dog"}'}, 1),
        ({"a_json": b'{"label": 1.0}'}, 1),
        ({"a_cls": b"1", "a_json": b'{"label": 0, "true_label": null}'}, 1),
        ({"a_cls": b"1", "a_json": b'{"width": 16}'}, 1),
        ({"a_CLS": b"1", "a_txt": b"a dog", "a_seg.png": b"no picture"}, 1),
    ],
)
def test_a_label_is_in_cls_or_else_in_json(tmp_path, files, expected):
    root = write(tmp_path, a_png=PICTURE, **files, b_jpg=PICTURE, b_cls=b"0")
    assert labels_of(root) == {"train-0.tar/a.png": expected, "train-0.tar/b.jpg": 0}


def test_labels_are_names_where_they_are_no_numbers(tmp_path):
    write_tar(tmp_path / "test/0.tar", {"a.png": PICTURE, "a.cls": b"cat\n"})
    write_tar(tmp_path / "test/1.tar", {"a.png": PICTURE, "a.cls": b"dog"})
    write_tar(tmp_path / "train/0.tar", {"x/a.webp": PICTURE, "x/a.json": b'{"label": "dog"}'})
    assert opened(tmp_path, clean_fraction=0.5).class_names() == ["cat", "dog"]
    assert labels_of(tmp_path) == {"train/0.tar/x/a.webp": 1}
    assert labels_of(tmp_path, classes=["dog", "cat"]) == {"train/0.tar/x/a.webp": 0}


def test_the_key_of_the_label_in_json_may_be_named(tmp_path):
    write(tmp_path, a_png=PICTURE, a_json=b'{"kind": 1}', b_png=PICTURE, b_json=b'{"kind": 0}')
    found = refusal(tmp_path)
    assert "train-0.tar: a.json: expected a key `label`, got kind; name the label's key in" in found
    write_tar(tmp_path / "test-0.tar", {f"{n}.png": PICTURE for n in "ab"} | {
        f"{name}.json": json.dumps({"kind": number}).encode() for number, name in enumerate("ab")
    })  # fmt: skip
    assert labels_of(tmp_path, label_column="kind") == {
        "train-0.tar/a.png": 1,
        "train-0.tar/b.png": 0,
    }


def test_samples_that_lack_a_picture_or_a_label_are_skipped_and_counted(tmp_path):
    root = write(
        tmp_path, a_png=PICTURE, a_cls=b"0", b_cls=b"1", b_txt=b"", c_png=PICTURE, c_txt=b"",
        d_png=PICTURE, d_cls=b"1", README=b"no ending", __a_png=b"hidden",
    )  # fmt: skip
    layout = opened(root, clean_fraction=0.5)
    assert labels_of(root) == {"train-0.tar/a.png": 0, "train-0.tar/d.png": 1}
    assert sorted(layout.skipped()) == [
        ("train-0.tar/..a.png", "hidden", 1), ("train-0.tar/README", "other_file", 1),
        ("train-0.tar/b", "sample_without_picture", 2), ("train-0.tar/c", "sample_without_label", 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a_png": b"", "a_jpg": b"", "a_cls": b"0"}, "sample a has 2 pictures (a.png, a.jpg); expected one"),
        ({"a_png": b"", "a_PNG": b"", "a_cls": b"0"}, "a.PNG is there twice; expected each file of a"),
        ({"a_png": b"", "a_txt": b"0"}, "no sample in it; expected pictures KEY.jpg (or .png, .webp, ...)"),
        ({}, "with KEY.cls or KEY.json, got nothing"),
        ({"a_png": b"", "a_cls": b""}, "train-0.tar/a.png: label: train needs one, got nothing"),
        ({"a_png": b"", "a_cls": b"-1"}, "label: train needs one, got the marker '-1' for an unknown"),
        ({"a_png": b"", "a_cls": b"caf\xe9"}, "train-0.tar: a.cls: expected text in UTF-8"),
        ({"a_png": b"", "a_cls": b"cat"}, "have no class in common (cat and 0, 1); write classes"),
        ({"a_png": b"", "a_json": b"{"}, "train-0.tar: a.json: expected a JSON object: Expecting"),
        ({"a_png": b"", "a_json": b"[1]"}, "a.json: expected a JSON object, got [1]"),
        ({"a_png": b"", "a_json": b"[" * 100_000}, "a.json: expected a JSON object"),
        ({"a_png": b"", "a_json": b'{"label": [1, 2]}'}, "a.json: label: expected a whole number or a text"),
        ({"../a_png": b"", "a_cls": b"0"}, "entry '../a.png' leads outside the archive"),
    ],
)  # fmt: skip
def test_samples_that_mean_nothing_are_refused(tmp_path, files, message):
    assert message in refusal(write(tmp_path, **files))


def test_a_member_that_is_there_twice_is_refused(tmp_path):
    write(tmp_path, a_png=PICTURE, a_cls=b"0")
    with tarfile.open(tmp_path / "train-0.tar", "a") as tar:
        tar.addfile(tarfile.TarInfo("./a.cls"), io.BytesIO(b""))
    assert "train-0.tar: a.cls is there twice" in refusal(tmp_path)


def test_a_key_may_be_in_two_tars(tmp_path):
    for number in range(2):
        write_tar(tmp_path / f"train-{number}.tar", {"a.png": PICTURE, "a.cls": b"%d" % number})
    write_tar(tmp_path / "test-0.tar", TEST)
    assert labels_of(tmp_path) == {"train-0.tar/a.png": 0, "train-1.tar/a.png": 1}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:700], "unexpected end of data"),
        (lambda data: b"", "cannot be read as a tar: empty file"),
        (lambda data: b"PK" + data[2:], "cannot be read as a tar"),
        (
            lambda data: data[:1024] + b"x" * 512 + data[1536:],
            "no header at byte 1024; fetch it again",
        ),
        (lambda data: b"version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS"),
    ],
)
def test_a_damaged_tar_ends_in_one_line(tmp_path, damage, message):
    path = write(tmp_path, a_png=PICTURE, a_cls=b"0") / "train-0.tar"
    path.write_bytes(damage(path.read_bytes()))
    found = refusal(tmp_path)
    assert str(path) in found
    assert message in found


def test_compressed_tars_are_refused(tmp_path):
    write(tmp_path, a_png=PICTURE, a_cls=b"0")
    (tmp_path / "train-1.tar.gz").write_bytes(b"\x1f\x8b")
    assert "train-1.tar.gz: expected a plain .tar, got a compressed one; decompress" in refusal(
        tmp_path
    )


def test_a_broken_picture_costs_one_line(tmp_path):
    layout = opened(write(tmp_path, a_png=b"no picture", a_cls=b"0"), clean_fraction=0.5)
    (path,) = (row.path for row in layout.rows() if row.noisy)
    assert find(Listed(path, path), layout, 10**6).kind == "unknown_format"


def test_a_name_that_is_not_utf8_costs_one_line(tmp_path):
    root = write(tmp_path, **{"caf\udce9_png": PICTURE, "caf\udce9_cls": b"0"})
    layout = opened(root, clean_fraction=0.5)
    (row,) = (row for row in layout.rows() if row.noisy)
    assert row.key == r"train-0.tar/caf\xe9.png"
    assert layout.read(row.path) == PICTURE
    assert find(Listed(row.key, row.path), layout, 10**6).kind == "name_not_utf8"


def test_synthetic_noise_takes_labels_for_the_truth(tmp_path):
    root = write_webdataset(tmp_path, verified=False, train=30, test=9)
    noise = NoiseSettings(kind="symmetric", rate=0.5)
    layout = opened(root, synthetic_noise=noise, clean_fraction=0.4, measuring_labels="builtin")
    noisy = [row for row in layout.rows() if row.noisy]
    plain = labels_of(root)
    assert {row.key: row.true for row in noisy} == plain
    assert 5 < sum(row.observed != row.true for row in noisy) < 55


def test_another_label_changes_the_digest_and_another_picture_does_not(tmp_path):
    digests = []
    for picture, label in ((PICTURE, b"0"), (b"other", b"0"), (PICTURE, b"1")):
        root = write(tmp_path, a_png=picture, a_cls=label)
        digests.append(source_digest(opened(root, clean_fraction=0.5)))
    assert digests[0] == digests[1] != digests[2]
