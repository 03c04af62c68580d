"""A set: labels, order and pictures do not depend on how pictures were dealt to shards."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from samples import (
    CLASSES,
    indexed_files,
    picture_of,
    small_catalogue,
    write_labelled,
    write_shards,
)

from mct.base.errors import UserError
from mct.base.files import file_digest, write_json
from mct.data.imagesets import (
    open_set,
    verify_index,
)
from mct.data.label_table import COLUMNS, read_index, read_table
from mct.data.labelling import write_labels
from mct.data.shards import index_shard

CATALOGUE = small_catalogue()
SETS = ("noisy", "clean", "validation", "test")


def rows_of(*names: str) -> np.ndarray:
    """Return the catalogue's rows of the union of sets."""
    return np.flatnonzero(np.any([CATALOGUE.members[name] for name in names], axis=0))


@pytest.mark.parametrize("encoding", ["pixels", "encoded"])
@pytest.mark.parametrize("shards", [1, 2, 3, 17])
def test_order_and_pictures_do_not_depend_on_the_shards(tmp_path, shards, encoding):
    image_set = open_set("noisy", write_labelled(tmp_path, encoding, shards))
    rows = rows_of("noisy")
    np.testing.assert_array_equal(image_set.sample, rows)
    np.testing.assert_array_equal(image_set.observed, CATALOGUE.observed[rows])
    np.testing.assert_array_equal(image_set.true, CATALOGUE.true[rows])
    np.testing.assert_array_equal(image_set.in_clean, CATALOGUE.members["clean"][rows])
    assert image_set.keys().tolist() == [CATALOGUE.keys[row].encode() for row in rows]
    for position, row in enumerate(rows):
        np.testing.assert_array_equal(image_set.read(position), picture_of(row))


def test_labels_are_observed_in_noisy_and_true_elsewhere(tmp_path):
    table = write_labelled(tmp_path)
    for name in SETS:
        image_set = open_set(name, table)
        labels = CATALOGUE.observed if name == "noisy" else CATALOGUE.true
        np.testing.assert_array_equal(image_set.label, labels[rows_of(name)])
        assert image_set.label.dtype == image_set.sample.dtype == np.int64
        assert image_set.classes == CLASSES


def test_union_has_each_picture_once_with_its_true_label_where_clean(tmp_path):
    image_set, rows = (
        open_set("union", write_labelled(tmp_path, shards=2)),
        rows_of("noisy", "clean"),
    )
    np.testing.assert_array_equal(image_set.sample, rows)
    expected = np.where(CATALOGUE.members["clean"], CATALOGUE.true, CATALOGUE.observed)[rows]
    np.testing.assert_array_equal(image_set.label, expected)
    assert not np.array_equal(expected, image_set.observed)


def test_the_shards_of_a_set_have_its_pictures_between_them(tmp_path):
    table = write_labelled(tmp_path, shards=3)
    parts = [open_set("noisy", table, only_shard=path.name) for path in indexed_files(table)]
    samples = np.concatenate([part.sample for part in parts])
    np.testing.assert_array_equal(np.sort(samples), rows_of("noisy"))
    for part in parts:
        for position, row in enumerate(part.sample):
            np.testing.assert_array_equal(part.read(position), picture_of(row))


def test_a_shard_without_pictures_of_a_set_gives_an_empty_one(tmp_path):
    table = write_labelled(tmp_path, shards=16)
    parts = [open_set("test", table, only_shard=path.name) for path in indexed_files(table)]
    assert sorted(map(len, parts)) == [0] * 14 + [1] * 2


def test_the_table_says_what_the_sets_hold(tmp_path):
    table = write_labelled(tmp_path, shards=3)
    index = read_index(table)
    assert (index["classes"], index["samples"]) == (
        CLASSES,
        {name: len(rows_of(name)) for name in SETS},
    )
    for name in SETS:
        rows = rows_of(name)
        known = {"observed": CATALOGUE.observed[rows], "true": CATALOGUE.true[rows]}
        assert index["samples_per_class"][name] == {
            kind: np.bincount(labels[labels >= 0], minlength=CLASSES).tolist()
            for kind, labels in known.items()
        }
    assert index["files"] == {path.name: file_digest(path) for path in indexed_files(table)}
    for name, members in {"clean": ["clean"], "union": ["noisy", "clean"]}.items():
        assert len(open_set(name, table)) == len(rows_of(*members))


def test_the_table_has_a_row_for_every_picture_in_the_order_of_the_catalogue(tmp_path):
    table = read_table(write_labelled(tmp_path, shards=2))
    assert {name: str(kind) for name, kind in table.schema.items()} == {
        name: kind for name, (kind, _) in COLUMNS.items()
    }
    assert table["sample"].to_list() == list(range(16))
    assert table["key"].to_list() == CATALOGUE.keys
    for name in SETS:
        np.testing.assert_array_equal(table[name].to_numpy(), CATALOGUE.members[name])


def labelled(folder: Path, left_out: dict[str, str]) -> Path:
    """Write the table of labels of shards that are there already."""
    shards = sorted(folder.glob("*.h5"))
    for path in shards:
        write_json(path.with_suffix(".json"), index_shard(path))
    write_labels(CATALOGUE, left_out, shards, CLASSES, folder / "labels.parquet")
    return folder / "labels.parquet"


def test_what_is_left_out_is_in_no_set(tmp_path):
    write_shards(tmp_path, shards=2)
    table = labelled(tmp_path, {"key-3": "copy_of_test", "key-8": "empty"})
    np.testing.assert_array_equal(open_set("noisy", table).sample, [0, 1, 2, 4, 5, 6, 7, 9])
    np.testing.assert_array_equal(open_set("clean", table).sample, [7, 9, 10, 11])
    assert read_index(table)["samples"] == {"noisy": 8, "clean": 4, "validation": 2, "test": 2}
    assert read_table(table)["left_out"][3] == "copy_of_test"


def test_of_a_picture_in_two_shards_the_later_one_counts(tmp_path):
    """It was taken out of the lists and is listed again, so that it is inspected again."""
    first = write_shards(tmp_path, shards=1)[0]
    first.with_name("1-0000.h5").write_bytes(first.read_bytes())
    table = read_table(labelled(tmp_path, {}))
    assert set(table["shard"]) == {1}


def test_a_picture_in_no_shard_is_named(tmp_path):
    write_shards(tmp_path, shards=2)[1].unlink()
    with pytest.raises(UserError, match=r"8 pictures are in no shard: .*key-\d+.*; rerun"):
        labelled(tmp_path, {})


def test_labels_of_other_shards_are_refused(tmp_path):
    """Another dealing has as many pictures, of other keys."""
    table = write_labelled(tmp_path, shards=2)
    one, other = indexed_files(table)
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)
    with pytest.raises(UserError, match=r"0-0000\.h5: not the shard that the labels .* joined"):
        open_set("noisy", table)


def test_a_flipped_byte_anywhere_is_found_by_the_table(tmp_path):
    table = write_labelled(tmp_path)
    assert verify_index(table) == 1
    path = indexed_files(table)[0]
    data = path.read_bytes()
    for position in {*range(0, len(data), 101), len(data) - 1}:
        damaged = bytearray(data)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"0000\.h5: not the file that .* lists"):
            verify_index(table)


def test_a_missing_shard_is_found_by_the_table(tmp_path):
    table = write_labelled(tmp_path, shards=2)
    indexed_files(table)[1].unlink()
    with pytest.raises(UserError, match=r"0001\.h5: missing"):
        verify_index(table)


def test_indexing_finds_a_damaged_picture(tmp_path):
    path = write_shards(tmp_path)[0]
    picture = picture_of(8).tobytes()
    data = path.read_bytes()
    path.write_bytes(data.replace(picture, picture[::-1]))
    with pytest.raises(UserError, match=r"0000\.h5: picture key-8: wrong checksum"):
        index_shard(path)


def test_a_picture_that_is_no_longer_decodable_is_named(tmp_path):
    """Its checksum is right, as where a writer stored something else."""
    image_set = open_set("clean", write_labelled(tmp_path, "encoded"))
    image_set.shards[0].attributes["encoding"] = "encoded"
    object.__setattr__(image_set.shards[0], "read", lambda index: np.zeros(10, np.uint8))
    with pytest.raises(UserError, match=r"0000\.h5: key-7: cannot be decoded"):
        image_set.read(0)


@pytest.mark.parametrize("content", [None, b"", b"not Parquet", b"PAR1" + bytes(99) + b"PAR1"])
@pytest.mark.parametrize("reader", [read_index, verify_index, read_table])
def test_what_is_no_table_is_refused(tmp_path, content, reader):
    path = tmp_path / "labels.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"labels\.parquet: cannot be read as ") as error:
        reader(path)
    assert len(str(error.value).splitlines()) == 1


def test_a_cut_table_is_refused(tmp_path):
    table = write_labelled(tmp_path)
    data = table.read_bytes()
    for length in range(0, len(data), 97):
        table.write_bytes(data[:length])
        with pytest.raises(UserError, match="cannot be read as a table of labels"):
            open_set("noisy", table)


def test_a_flipped_byte_anywhere_in_the_table_is_found(tmp_path):
    """Polars takes many such tables, and panics at others."""
    table = write_labelled(tmp_path)
    data = table.read_bytes()
    for position in {*range(0, len(data), 13), len(data) - 1}:
        damaged = bytearray(data)
        damaged[position] ^= 1
        table.write_bytes(damaged)
        with pytest.raises(
            UserError, match=r"labels\.parquet: cannot .* \(wrong checksum\); delete"
        ):
            open_set("noisy", table)


def test_a_table_that_somebody_edited_is_refused(tmp_path):
    table = write_labelled(tmp_path)
    facts = pl.read_parquet_metadata(table)
    pl.read_parquet(table).with_columns(pl.col("shard") + 99).write_parquet(table, metadata=facts)
    with pytest.raises(UserError, match="wrong checksum"):
        open_set("noisy", table)


@pytest.mark.parametrize("name", ["", "tests", "shard"])
def test_a_set_that_there_is_not_is_refused(tmp_path, name):
    with pytest.raises(UserError, match=f"no set '{name}'; expected one of noisy, clean, "):
        open_set(name, write_labelled(tmp_path))
