"""Pickles from the web: arrays of numbers are read, nothing that a file asks for is ever called."""

import builtins
import io
import os
import pickle
import pickletools
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mct.base.errors import UserError
from mct.data.layouts.pickles import TORCH_MAGIC, read_pickle

ARRAYS = {
    "int64": np.arange(6).reshape(2, 3),
    "uint8": np.arange(6, dtype=np.uint8),
    "big endian": np.arange(4, dtype=">i4"),
    "Fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "bool": np.array([True, False]),
    "empty": np.zeros((0, 3)),
}


def assert_same(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_are_read_as_they_were_saved(tmp_path, protocol):
    path = tmp_path / "labels.pt"
    path.write_bytes(pickle.dumps(ARRAYS, protocol=protocol))
    assert_same(read_pickle(path), ARRAYS)


@pytest.mark.parametrize("as_zip", [True, False])
def test_files_of_torch_save_are_read(tmp_path, as_zip):
    import torch

    path = tmp_path / "labels.pt"
    torch.save(ARRAYS, path, _use_new_zipfile_serialization=as_zip)
    assert zipfile.is_zipfile(path) == as_zip
    assert_same(read_pickle(path), ARRAYS)


def test_containers_text_and_numbers_are_read(tmp_path):
    plain = {"a": [1, 2.5, "text", b"bytes", (None, True)], "b": {"c": {1, 2}}}
    path = tmp_path / "plain"
    path.write_bytes(pickle.dumps(plain, protocol=4))
    assert read_pickle(path) == plain


def test_bytes_of_python_2_are_keys(tmp_path):
    """CIFAR's own files: str of Python 2 is bytes, as are the names of types."""
    code = b"\x80\x02}q\x00(U\x04dataq\x01U\x03abcq\x02U\x06labelsq\x03]q\x04(K\x01K\x02eu."
    (tmp_path / "batch").write_bytes(code)
    assert read_pickle(tmp_path / "batch") == {"data": b"abc", "labels": [1, 2]}


def test_arrays_of_python_2_are_read(tmp_path):
    code = (
        b"\x80\x02}U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b"
        b"\x87R(K\x01K\x02\x85cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89U\x02\x07\xfftbs."
    )
    (tmp_path / "batch").write_bytes(code)
    assert_same(read_pickle(tmp_path / "batch"), {"data": np.array([7, 255], np.uint8)})


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("wrap", ["plain", "zip", "legacy"])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_malicious_pickle_is_refused_and_nothing_runs(tmp_path, wrap, protocol):
    victim, path = tmp_path / "victim", tmp_path / "labels.pt"
    code = pickle.dumps({"worse_label": Call(os.system, f"touch {victim}")}, protocol=protocol)
    if wrap == "legacy":
        code = b"".join(pickle.dumps(part) for part in (TORCH_MAGIC, 1001, {})) + code
    path.write_bytes(zipped(code) if wrap == "zip" else code)
    with pytest.raises(UserError, match=r"labels\.pt: refused as unsafe: .* posix\.system"):
        read_pickle(path)
    assert not victim.exists()
    if wrap == "plain":  # the same file does harm where nothing is refused
        pickle.loads(code)
        assert victim.exists()


def zipped(code: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("archive/data.pkl", code)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (builtins.eval, "builtins.eval"),
        (builtins.getattr, "builtins.getattr"),
        (np.load, "numpy.load"),
        (np.fromfile, "numpy.fromfile"),
        (pickle.loads, "_pickle.loads"),
    ],
)
def test_any_other_global_is_refused_by_name(tmp_path, function, name):
    path = tmp_path / "labels.pt"
    path.write_bytes(pickle.dumps({"a": Call(function, "x")}, protocol=4))
    with pytest.raises(UserError, match=f"the pickle asks for .*{name.split('.')[-1]}"):
        read_pickle(path)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.array([{}], object), "an array of type object, expected numbers"),
        (np.array(["text"]), "expected numbers"),
        (np.zeros(2, "i4,i4"), "expected numbers"),
    ],
)
def test_arrays_of_anything_but_numbers_are_refused(tmp_path, value, message):
    path = tmp_path / "labels.pt"
    path.write_bytes(pickle.dumps({"a": value}, protocol=2))
    with pytest.raises(UserError, match=message):
        read_pickle(path)


def test_tensors_are_refused(tmp_path):
    import torch

    torch.save({"a": torch.zeros(3)}, tmp_path / "labels.pt")
    with pytest.raises(UserError, match=r"labels\.pt: refused"):
        read_pickle(tmp_path / "labels.pt")


@pytest.mark.parametrize(
    "content", [b"", b"no pickle", pickle.dumps([1]), pickle.dumps(ARRAYS)[:-40], zipped(b"")]
)
def test_what_is_no_dictionary_is_refused(tmp_path, content):
    path = tmp_path / "labels.pt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"labels\.pt: cannot be read as a pickle"):
        read_pickle(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"labels\.pt: cannot be read: No such file"):
        read_pickle(tmp_path / "labels.pt")


WHOLE = pickle.dumps({"a": np.arange(5), "b": [1, "c"]}, protocol=2)


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=3))
def test_flipped_bytes_give_a_dictionary_or_a_users_error(tmp_path_factory, flips):
    code = bytearray(WHOLE)
    for place, byte in flips:
        code[place] = byte
    path = tmp_path_factory.getbasetemp() / "flipped.pt"
    path.write_bytes(code)
    try:
        assert isinstance(read_pickle(path), dict)
    except UserError as error:
        assert str(path) in str(error)


def test_a_saved_array_names_only_globals_that_are_admitted():
    """What a change of NumPy's pickles would break, seen from its side."""
    from mct.data.layouts.pickles import ADMITTED

    for protocol in range(6):
        code = pickle.dumps(np.arange(3), protocol=protocol)
        names = [arg for op, arg, _ in pickletools.genops(code) if op.name == "GLOBAL"]
        assert {name.replace(" ", ".") for name in names} <= ADMITTED.keys()
