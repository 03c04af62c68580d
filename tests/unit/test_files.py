"""Whole files or none, and messages that name a few of many."""

import errno
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

from mct.base.errors import UserError, preview
from mct.base.files import (
    file_digest,
    read_arrays,
    read_json,
    replacing,
    sync,
    table_rows,
    write_arrays,
    write_json,
    write_text,
)


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b", "c"], "a, b, c"),
        (["a", "b", "c", "d", "e"], "a, b, c, and 2 more"),
    ],
)
def test_preview_names_the_first_three(items, expected):
    assert preview(items) == expected


def test_a_file_appears_whole_in_a_folder_that_is_made(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with replacing(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert [file.name for file in path.parent.iterdir()] == ["file.txt"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_text("half")
        _ = 1 // 0
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_has_sorted_keys_whatever_their_order(tmp_path):
    for name, data in (("one", {"b": 1, "a": [1.5, None]}), ("other", {"a": [1.5, None], "b": 1})):
        write_json(tmp_path / name, data)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert json.loads((tmp_path / "one").read_text()) == {"a": [1.5, None], "b": 1}


def test_digest_is_that_of_the_bytes(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    assert file_digest(tmp_path / "file") == hashlib.sha256(b"content").hexdigest()


def test_digest_of_a_missing_file_is_refused():
    with pytest.raises(UserError, match="nowhere: cannot be read"):
        file_digest(Path("nowhere"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("key\n\n", "expected columns key path, got key"),
        ("a\tb\nc\td\n", "expected columns key path, got a, b"),
        ("path\tkey\nc\td\n", "expected columns key path, got path, key"),
        ("\0\0\0\0", "its last line is cut off"),
        ("key\tpath\na\tb\nc\td", "its last line is cut off"),
        ("key\tpath\na\n", "not enough values to unpack"),
    ],
)
def test_a_damaged_table_ends_in_a_line(tmp_path, text, reason):
    path = tmp_path / "left.tsv"
    path.write_text(text)
    with (
        pytest.raises(UserError, match=rf"left\.tsv: cannot be read as a list \({reason}.*rerun"),
        table_rows(path, "a list", ("key", "path")) as rows,
    ):
        [key for key, _ in rows]


def test_json_is_read_with_the_keys_it_must_have(tmp_path):
    write_json(tmp_path / "noise.json", {"rate": 0.4})
    assert read_json(tmp_path / "noise.json", "rate") == {"rate": 0.4}


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "cannot be read as JSON"), ("[1]", "lacks rate"), ('{"upper": 1}', "lacks rate")],
)
def test_damaged_json_ends_in_a_line(tmp_path, text, reason):
    path = tmp_path / "noise.json"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"noise\.json: {reason}.*delete it and rerun"):
        read_json(path, "rate")


def test_files_and_folders_are_synced_where_the_file_system_does_it(tmp_path, monkeypatch):
    def refuse(number: int) -> None:
        raise OSError(refusal, os.strerror(refusal))

    write_text(tmp_path / "file.txt", "text")
    sync(tmp_path / "file.txt")
    sync(tmp_path)
    monkeypatch.setattr(os, "fsync", refuse)
    refusal = errno.EINVAL
    sync(tmp_path)
    refusal = errno.ENOSPC
    with pytest.raises(OSError, match="No space"):
        sync(tmp_path / "file.txt")


@pytest.mark.parametrize("damage", ["missing", "folder", "cut", "text", "lacks"])
def test_a_damaged_file_of_arrays_ends_in_a_line(tmp_path, damage):
    path = tmp_path / "samples.h5"
    write_arrays(path, {"selected": np.arange(99)}, {})
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "text":
        path.write_text("selected\n")
    elif damage != "lacks":
        path.unlink()
    if damage == "folder":
        path.mkdir()
    with pytest.raises(UserError, match=r"samples\.h5: cannot be read as HDF5") as raised:
        read_arrays(path, "selected", "observed")
    assert "\n" not in str(raised.value)
