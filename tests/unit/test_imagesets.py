"""A set over its shards: labels, order and pictures do not depend on how it was dealt."""

import json
from pathlib import Path

import numpy as np
import pytest
from samples import CLASSES, picture_of, shard_settings, small_catalogue, write_set

from mct.base.errors import UserError
from mct.base.files import file_digest, write_json
from mct.data.imagesets import (
    index_shards,
    indexed_files,
    open_set,
    open_training_set,
    read_index,
    read_sizes,
    verify_index,
)

CATALOGUE = small_catalogue()


def rows_of(*names: str) -> np.ndarray:
    """Return the catalogue's rows of the union of sets."""
    return np.flatnonzero(np.any([CATALOGUE.members[name] for name in names], axis=0))


def write_index(folder: Path, name: str, shards: int = 2) -> Path:
    """Write a set and its index."""
    paths = write_set(folder, name, shard_settings(shards))
    write_json(paths[0].parent / "index.json", index_shards(name, paths))
    return paths[0].parent / "index.json"


@pytest.mark.parametrize("encoding", ["pixels", "encoded"])
@pytest.mark.parametrize("shards", [1, 2, 3, 12])
def test_order_and_pictures_do_not_depend_on_the_shards(tmp_path, shards, encoding):
    image_set = open_set("noisy", write_set(tmp_path, "noisy", shard_settings(shards, encoding)))
    rows = rows_of("noisy")
    np.testing.assert_array_equal(image_set.sample, rows)
    np.testing.assert_array_equal(image_set.observed, CATALOGUE.observed[rows])
    np.testing.assert_array_equal(image_set.true, CATALOGUE.true[rows])
    np.testing.assert_array_equal(image_set.in_clean, CATALOGUE.members["clean"][rows])
    assert image_set.keys().tolist() == [CATALOGUE.keys[row].encode() for row in rows]
    for position, row in enumerate(rows):
        np.testing.assert_array_equal(image_set.read(position), picture_of(row))


def test_labels_are_observed_in_noisy_and_true_elsewhere(tmp_path):
    for name in ("noisy", "clean", "validation", "test"):
        image_set = open_set(name, write_set(tmp_path, name, shard_settings(1)))
        labels = CATALOGUE.observed if name == "noisy" else CATALOGUE.true
        np.testing.assert_array_equal(image_set.label, labels[rows_of(name)])
        assert image_set.label.dtype == np.int64
        assert image_set.classes == CLASSES


@pytest.mark.parametrize("members", [("noisy", "clean"), ("clean", "noisy")])
def test_union_has_each_picture_once_with_its_true_label_where_clean(tmp_path, members):
    paths = [path for name in members for path in write_set(tmp_path, name, shard_settings(2))]
    image_set, rows = open_set("union", paths), rows_of("noisy", "clean")
    np.testing.assert_array_equal(image_set.sample, rows)
    expected = np.where(CATALOGUE.members["clean"], CATALOGUE.true, CATALOGUE.observed)[rows]
    np.testing.assert_array_equal(image_set.label, expected)
    assert not np.array_equal(expected, image_set.observed)


def test_index_says_what_the_shards_hold(tmp_path):
    paths = write_set(tmp_path, "noisy", shard_settings(3))
    index = index_shards("noisy", paths)
    rows = rows_of("noisy")
    assert (index["set"], index["classes"], index["samples"]) == ("noisy", CLASSES, len(rows))
    known = CATALOGUE.true[rows][CATALOGUE.true[rows] >= 0]
    assert index["samples_per_class"] == {
        "observed": np.bincount(CATALOGUE.observed[rows], minlength=CLASSES).tolist(),
        "true": np.bincount(known, minlength=CLASSES).tolist(),
    }
    assert index["files"] == {path.name: file_digest(path) for path in paths}


def test_training_sets_are_opened_by_their_indices(tmp_path):
    indices = {name: write_index(tmp_path, name) for name in ("noisy", "clean")}
    assert read_sizes(indices) == {name: len(rows_of(name)) for name in indices}
    assert len(open_training_set("clean", indices)) == len(rows_of("clean"))
    assert len(open_training_set("union", indices)) == len(rows_of("noisy", "clean"))
    assert [path.name for path in indexed_files(indices["noisy"])] == ["0000.h5", "0001.h5"]


def test_a_flipped_byte_anywhere_is_found_by_its_index(tmp_path):
    index = write_index(tmp_path, "clean", shards=1)
    assert verify_index(index) == 1
    path = indexed_files(index)[0]
    data = path.read_bytes()
    for position in {*range(0, len(data), 101), len(data) - 1}:
        damaged = bytearray(data)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"0000\.h5: not the file that .* lists"):
            verify_index(index)


def test_a_missing_shard_is_found_by_its_index(tmp_path):
    index = write_index(tmp_path, "clean")
    indexed_files(index)[1].unlink()
    with pytest.raises(UserError, match=r"0001\.h5: missing"):
        verify_index(index)


def test_indexing_finds_a_damaged_picture(tmp_path):
    path = write_set(tmp_path, "clean", shard_settings(1))[0]
    picture = picture_of(8).tobytes()
    data = path.read_bytes()
    path.write_bytes(data.replace(picture, picture[::-1]))
    with pytest.raises(UserError, match=r"0000\.h5: picture key-8: wrong checksum"):
        index_shards("clean", [path])


def test_a_picture_that_is_no_longer_decodable_is_named(tmp_path):
    """Its checksum is right, as where a writer stored something else."""
    path = write_set(tmp_path, "clean", shard_settings(1, "encoded"))[0]
    image_set = open_set("clean", [path])
    image_set.shards[0].attributes["encoding"] = "encoded"
    object.__setattr__(image_set.shards[0], "read", lambda index: np.zeros(10, np.uint8))
    with pytest.raises(UserError, match=r"0000\.h5: key-7: cannot be decoded"):
        image_set.read(0)


@pytest.mark.parametrize("text", [None, "not JSON", "{}", "[]"])
def test_what_is_no_index_is_refused(tmp_path, text):
    path = tmp_path / "index.json"
    if text is not None:
        path.write_text(text)
    for reader in (read_index, indexed_files, verify_index):
        with pytest.raises(UserError, match=r"index\.json: (cannot be read as JSON|lacks classes)"):
            reader(path)


def test_index_is_json_of_plain_numbers(tmp_path):
    index = index_shards("test", write_set(tmp_path, "test", shard_settings(1)))
    assert json.loads(json.dumps(index)) == index
