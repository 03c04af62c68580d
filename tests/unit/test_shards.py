"""Shards: what is written is what is read, by h5py alone too, and damage never goes unnoticed."""

import contextlib
import os
import random
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from samples import (
    PictureLayout,
    encode,
    members_of,
    picture_of,
    shard_settings,
    small_catalogue,
    write_shards,
)

from mct.base.errors import UserError
from mct.data import sharding, shards
from mct.data.encoding import choose_encoding
from mct.data.images import fit
from mct.data.pictures import decode
from mct.data.sharding import ShardPlan, deal, write_shard
from mct.data.shards import FIELDS, open_shard

ENCODINGS = ("pixels", "encoded")
PICTURES = range(16)
"""Numbers of the pictures; see `samples.small_catalogue`."""


def write_one(folder: Path, encoding: str = "pixels", picture_size: int = 8) -> Path:
    """Write all pictures as one shard."""
    return write_shards(folder, encoding, 1, picture_size)[0]


def numbers_of(keys: Iterable[bytes]) -> list[int]:
    """Return the numbers of pictures by their keys."""
    return [int(key.decode().removeprefix("key-")) for key in keys]


def flip(path: Path, position: int) -> None:
    """Flip one bit of a file."""
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


@contextmanager
def editing(path: Path) -> Iterator[h5py.File]:
    """Change a shard with h5py and seal it again, as no program of ours does."""
    with h5py.File(path, "r+") as file:
        yield file
        payload = file.get("payload")
        place = shards.payload_place(payload) if isinstance(payload, h5py.Dataset) else (512, 0)
    shards.seal(path, *place)


@given(st.integers(0, 200), st.integers(1, 40))
def test_dealing_gives_every_picture_to_one_shard_in_even_shares(count, number):
    parts = [deal(count, number, shard) for shard in range(number)]
    assert sorted(np.concatenate(parts)) == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    # All numbers of shards deal the same permutation.
    np.testing.assert_array_equal(np.concatenate(parts), deal(count, 1, 0))


def test_dealing_mixes_the_list():
    assert (np.diff(deal(50, 2, 0)) < 0).any()


@pytest.mark.parametrize(
    ("encoding", "size", "expected"),
    [
        ("auto", 64, "pixels"),
        ("auto", 65, "encoded"),
        ("encoded", 8, "encoded"),
        ("pixels", 224, "pixels"),
    ],
)
def test_auto_keeps_pixels_of_tiny_pictures(encoding, size, expected):
    assert choose_encoding(encoding, size) == expected


@pytest.mark.parametrize("copy_bytes", [1 << 22, 100])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_shard_reads_back_what_was_written(tmp_path, monkeypatch, encoding, copy_bytes):
    monkeypatch.setattr(sharding, "COPY_BYTES", copy_bytes)
    catalogue, shard = small_catalogue(), open_shard(write_one(tmp_path, encoding))
    rows = numbers_of(shard.fields["key"])
    assert sorted(rows) == list(PICTURES)
    assert len(shard) == len(PICTURES)
    assert shard.fields["key"].tolist() == [catalogue.keys[row].encode() for row in rows]
    for index, row in enumerate(rows):
        stored = shard.read(index)
        if encoding == "encoded":
            assert stored.tobytes() == encode(picture_of(row))
        else:
            np.testing.assert_array_equal(stored, picture_of(row))
    shard.verify()


def test_pixels_of_larger_pictures_are_fitted(tmp_path):
    shard = open_shard(write_one(tmp_path, "pixels", picture_size=12))
    for index, row in enumerate(numbers_of(shard.fields["key"])):
        source = decode(PictureLayout(12).read(f"{row}.png"), "source")
        np.testing.assert_array_equal(shard.read(index), fit(source, 8))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_shard_is_readable_with_h5py_alone(tmp_path, encoding):
    with h5py.File(write_one(tmp_path, encoding)) as file:
        assert set(file) == {*FIELDS, "payload"}
        assert dict(file.attrs)["size"] == 8
        rows, offset, payload = numbers_of(file["key"][:]), file["offset"][:], file["payload"]
        for index, row in enumerate(rows):
            if encoding == "pixels":
                np.testing.assert_array_equal(payload[index], picture_of(row))
            else:
                data = payload[offset[index] : offset[index + 1]].tobytes()
                np.testing.assert_array_equal(decode(data, "picture"), picture_of(row))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_shard_written_twice_has_equal_bytes(tmp_path, encoding):
    one, other = (write_one(tmp_path / name, encoding) for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()


def test_more_shards_than_pictures_leave_empty_ones(tmp_path):
    paths = write_shards(tmp_path, shards=17)
    assert [len(open_shard(path)) for path in paths] == 16 * [1] + [0]


def test_a_picture_that_cannot_be_read_ends_the_shard_and_leaves_no_file(tmp_path):
    class Missing(PictureLayout):
        def read(self, path: str) -> bytes:
            raise UserError(f"{path}: cannot be read")

    plan = ShardPlan(shard=0, shards=1, source="test")
    members = members_of(PICTURES, PictureLayout())
    with pytest.raises(UserError, match=r"\d+\.png: cannot be read"):
        write_shard(members, Missing(), shard_settings(), plan, tmp_path / "0.h5")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_picture_that_changed_since_its_inspection_is_refused(tmp_path, encoding):
    plan = ShardPlan(shard=0, shards=1, source="test")
    members = members_of(PICTURES, PictureLayout())
    with pytest.raises(UserError, match=r"0\.png: not the file that was inspected; rerun"):
        write_shard(members, PictureLayout(9), shard_settings(encoding), plan, tmp_path / "0.h5")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_threads_change_nothing(tmp_path, encoding):
    plan = ShardPlan(shard=0, shards=1, source="test")
    layout, settings = PictureLayout(12), shard_settings(encoding)
    for threads in (1, 3):
        path = tmp_path / f"{threads}.h5"
        write_shard(members_of(PICTURES, layout), layout, settings, plan, path, threads)
    assert (tmp_path / "1.h5").read_bytes() == (tmp_path / "3.h5").read_bytes()


@pytest.mark.parametrize(("short_side", "sides"), [(None, 40), (40, 40), (24, 24)])
def test_larger_pictures_are_resized_and_others_kept_as_they_are(tmp_path, short_side, sides):
    settings = replace(shard_settings("encoded"), short_side=short_side)
    plan, layout = (
        ShardPlan(shard=0, shards=1, source=""),
        PictureLayout(40),
    )
    write_shard(members_of(PICTURES, layout), layout, settings, plan, tmp_path / "0.h5")
    shard = open_shard(tmp_path / "0.h5")
    for index, row in enumerate(numbers_of(shard.fields["key"])):
        stored = shard.read(index).tobytes()
        assert decode(stored, "stored").shape == (sides, sides, 3)
        assert (stored == layout.read(f"{row}.png")) == (sides == 40)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_flipped_byte_of_a_picture_is_found_by_reading_it(tmp_path, encoding):
    path = write_one(tmp_path, encoding)
    with h5py.File(path) as file:
        first, length = file["payload"].id.get_offset(), file["payload"].nbytes
        key = file["key"][0].decode()
    for position in (first, first + length - 1):
        flip(path, position)
        shard = open_shard(path)
        damaged = 0 if position == first else len(shard) - 1
        with pytest.raises(UserError, match=r"0000\.h5: picture key-\d+: wrong checksum"):
            shard.read(damaged)
        with pytest.raises(UserError, match=key if damaged == 0 else "picture"):
            shard.verify()
        shard.read(1)
        flip(path, position)


@pytest.mark.parametrize("name", FIELDS)
def test_a_flipped_byte_of_any_other_field_is_found_by_opening(tmp_path, name):
    path = write_one(tmp_path)
    with h5py.File(path) as file:
        first, length = file[name].id.get_offset(), file[name].nbytes
    for position in {*range(first, first + length, 5), first + length - 1}:
        flip(path, position)
        with pytest.raises(UserError, match=r"0000\.h5: .*the file is damaged"):
            open_shard(path)
        flip(path, position)
    open_shard(path)


@pytest.mark.parametrize(("name", "value"), [("size", 9), ("encoding", "encoded")])
def test_a_changed_attribute_is_found_by_opening(tmp_path, name, value):
    path = write_one(tmp_path)
    with h5py.File(path, "r+") as file:
        file.attrs[name] = value
    with pytest.raises(UserError, match=r"0000\.h5: .*wrong checksum"):
        open_shard(path)


@pytest.mark.parametrize(("name", "value"), [("version", 1), ("format", "other")])
def test_a_shard_of_another_version_is_refused(tmp_path, name, value):
    path = write_one(tmp_path)
    with editing(path) as file:
        file.attrs[name] = value
    with pytest.raises(UserError, match=f"expected an mct-shard of version 3, got .*{value}"):
        open_shard(path)


def test_a_shard_with_labels_is_refused_with_the_last_commit_that_reads_it(tmp_path):
    path = write_one(tmp_path)
    with editing(path) as file:
        file.attrs["version"] = 2
    with pytest.raises(
        UserError, match=r"version 2, which holds labels; .* run again, once; e3bb913 is"
    ):
        open_shard(path)


@pytest.mark.parametrize("kind", ["missing", "text", "cut", "field"])
def test_what_is_no_shard_is_refused(tmp_path, kind):
    path = write_one(tmp_path)
    data = path.read_bytes()
    path.unlink()
    if kind == "field":
        path.write_bytes(data)
        with editing(path) as file:
            del file["offset"]
    elif kind != "missing":
        path.write_bytes(b"not HDF5" if kind == "text" else data[: len(data) // 2])
    with pytest.raises(UserError, match=r"0000\.h5: cannot be read as a shard"):
        open_shard(path)


@pytest.mark.parametrize("kind", ["shorter", "group"])
def test_a_payload_of_another_form_is_refused(tmp_path, kind):
    path = write_one(tmp_path)
    with editing(path) as file:
        payload = file["payload"][:]
        del file["payload"]
        if kind == "shorter":
            file.create_dataset("payload", data=payload[:-1])
        else:
            file.create_group("payload")
    with pytest.raises(UserError, match=r"0000\.h5"):
        open_shard(path).verify()


def test_a_flipped_byte_of_the_structure_ends_in_no_hang_crash_or_traceback(tmp_path):
    script = Path(__file__).with_name("flip_bytes.py")
    job = subprocess.run(
        [sys.executable, script, write_one(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(shards.__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert job.returncode == 0, (
        f"{job.stdout.splitlines()[-1]}: exit {job.returncode}\n{job.stderr}"
    )


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_thousand_mutations_are_refused_or_harmless(tmp_path, encoding):
    """Whatever happens to a file: UserError, or exactly the pictures and keys that were written."""
    path = write_one(tmp_path, encoding)
    data, generator = path.read_bytes(), random.Random(0)
    reference = contents(path)
    for _ in range(1000):
        path.write_bytes(mutated(data, generator))
        with contextlib.suppress(UserError):
            assert contents(path) == reference


def mutated(data: bytes, generator: random.Random) -> bytes:
    """Return bytes with a flip, a cut, an insertion, a zeroed block or two blocks exchanged."""
    start = generator.randrange(len(data))
    stop = min(len(data), start + generator.randint(1, 600))
    block, middle = data[start:stop], generator.randrange(start + 1)
    return generator.choice(
        [
            data[:start] + bytes([data[start] ^ 1 << generator.randrange(8)]) + data[start + 1 :],
            data[:start],
            data[:start] + generator.randbytes(stop - start) + data[start:],
            data[:start] + bytes(stop - start) + data[stop:],
            data[:middle] + block + data[middle:start] + data[stop:],
        ]
    )


def contents(path: Path) -> list[bytes]:
    """Return all pictures and keys of a shard, verified."""
    shard = open_shard(path)
    fields = [shard.fields[name].tobytes() for name in ("key", "crc32")]
    return [shard.read(i).tobytes() for i in range(len(shard))] + fields
