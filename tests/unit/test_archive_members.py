"""Members of archives as people's programs write them: nested, in capitals, with backslashes."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from samples import dataset_settings, encode, picture_of

from mct.base.errors import UserError
from mct.base.threads import map_in_threads
from mct.data.catalogue import build_catalogue
from mct.data.layouts.registry import open_layout
from mct.data.layouts.storage import Storage


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def zip_of(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, data in files.items():
            file.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


WRITERS = {"tar": tar_of, "zip": zip_of}
FILES = {"x/a.jpg": b"one", "b.jpg": b"two"}


@pytest.mark.parametrize("inner", WRITERS)
def test_archives_in_a_tar_are_read_in_place(tmp_path, inner):
    """As in ILSVRC's training pictures, a tar of a tar per class."""
    deepest = tar_of({f"deep.{inner}": WRITERS[inner](FILES), "c.jpg": b"three"})
    (tmp_path / "top.tar").write_bytes(tar_of({"first.txt": b"0" * 700, "d/mid.tar": deepest}))
    storage, place = Storage(tmp_path, archives=True), "top.tar/d/mid.tar"
    assert storage.read(f"{place}/deep.{inner}/x/a.jpg") == b"one"
    assert storage.read(f"{place}/c.jpg") == b"three"
    assert storage.read(place) == deepest
    paths = [f"{place}/deep.{inner}/{name}" for name in (*FILES, "x/none.jpg")]
    assert storage.missing(paths) == paths[2:]
    with pytest.raises(UserError, match=rf"mid\.tar/deep\.{inner}: no file x/none\.jpg in the"):
        storage.read(paths[2])


def test_threads_read_many_nested_tars_at_once(tmp_path):
    classes = {f"n{i:04d}.tar": tar_of({"a.jpg": bytes([i]) * 2000}) for i in range(100)}
    (tmp_path / "all.tar").write_bytes(tar_of(classes))
    storage = Storage(tmp_path, archives=True)
    found = map_in_threads(lambda name: storage.read(f"all.tar/{name}/a.jpg"), classes, 4)
    assert list(found) == [bytes([i]) * 2000 for i in range(100)]


@pytest.mark.parametrize(
    ("name", "inner", "message"),
    [
        (
            "t.tar",
            "x.tgz",
            r"t\.tar/x\.tgz: expected a plain \.tar or a \.zip, got a compressed tar",
        ),
        ("t.tar", "x.tar", r"t\.tar/x\.tar: cannot be read as an archive"),
        ("t.tar", "x.zip", r"t\.tar/x\.zip: cannot be read as an archive"),
        ("t.zip", "x.tar", r"t\.zip: x\.tar is an archive inside a zip; .*; unpack the zip"),
    ],
)
def test_nested_archives_that_cannot_be_read_in_place_are_refused(tmp_path, name, inner, message):
    outer = WRITERS[name[2:]]({inner: b"no archive" * 100})
    (tmp_path / name).write_bytes(outer)
    for use in (Storage.read, lambda storage, path: storage.missing([path])):
        with pytest.raises(UserError, match=message):
            use(Storage(tmp_path, archives=True), f"{name}/{inner}/a.jpg")


def test_entries_of_a_nested_tar_that_lead_outside_are_refused(tmp_path):
    (tmp_path / "t.tar").write_bytes(tar_of({"x.tar": tar_of({"../../etc/passwd": b"1"})}))
    with pytest.raises(UserError, match=r"x\.tar: entry '../../etc/passwd' leads outside"):
        Storage(tmp_path, archives=True).read("t.tar/x.tar/a.jpg")


@pytest.mark.parametrize("name", ["A.ZIP", "A.Zip", "A.TAR", "A.Tar"])
def test_endings_of_archives_may_be_in_capitals(tmp_path, name):
    (tmp_path / name).write_bytes(WRITERS[name[2:].lower()](FILES))
    storage = Storage(tmp_path, archives=True)
    assert storage.missing([f"{name}/x/a.jpg", f"{name}/none.jpg"]) == [f"{name}/none.jpg"]
    assert storage.read(f"{name}/x/a.jpg") == b"one"


@pytest.mark.parametrize("name", ["A.TGZ", "a.tbz2", "a.tar.zst", "A.TAR.GZ"])
def test_compressed_tars_are_refused_by_any_of_their_endings(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x1f\x8b whatever")
    with pytest.raises(UserError, match="got a compressed tar; unpack it"):
        Storage(tmp_path, archives=True).missing([f"{name}/a.jpg"])


@pytest.mark.parametrize("kind", WRITERS)
def test_backslashes_in_member_names_are_slashes(tmp_path, kind):
    files = {r"dir\sub\a.jpg": b"one", r"dir\b.jpg": b"two", "dir/c.jpg": b"three"}
    (tmp_path / f"win.{kind}").write_bytes(WRITERS[kind](files))
    storage = Storage(tmp_path, archives=True)
    for name, data in files.items():
        for spelling in (name, name.replace("\\", "/"), name.replace("/", "\\")):
            assert storage.read(f"win.{kind}/{spelling}") == data
            assert storage.missing([f"win.{kind}/{spelling}"]) == []
    assert storage.missing([f"win.{kind}/dir/none.jpg"]) == [f"win.{kind}/dir/none.jpg"]


def test_folders_of_a_zip_with_backslashes_are_no_files(tmp_path):
    (tmp_path / "win.zip").write_bytes(zip_of({"dir\\": b"", r"dir\a.jpg": b"one"}))
    storage = Storage(tmp_path, archives=True)
    assert storage.missing(["win.zip/dir", "win.zip/dir/a.jpg"]) == ["win.zip/dir"]


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("entry", [r"..\secret.jpg", r"a\..\..\secret.jpg", r"\etc\passwd"])
def test_backslashes_lead_nowhere_outside(tmp_path, kind, entry):
    (tmp_path / f"bad.{kind}").write_bytes(WRITERS[kind]({"good.jpg": b"1", entry: b"2"}))
    with pytest.raises(UserError, match="leads outside the archive"):
        Storage(tmp_path, archives=True).read(f"bad.{kind}/good.jpg")


def unmarked(data: bytes) -> bytes:
    """Return a zip whose names are not marked as UTF-8, as the zips of macOS."""
    for header, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = data.index(header) + offset
        flags = int.from_bytes(data[start : start + 2], "little") & ~0x800
        data = data[:start] + flags.to_bytes(2, "little") + data[start + 2 :]
    return data


def test_unmarked_names_of_a_zip_are_found_as_utf8_and_as_python_reads_them(tmp_path):
    (tmp_path / "mac.zip").write_bytes(unmarked(zip_of({"caf\u00e9/a.jpg": b"one"})))
    storage = Storage(tmp_path, archives=True)
    [python] = zipfile.ZipFile(tmp_path / "mac.zip").namelist()
    assert python != "caf\u00e9/a.jpg"
    assert storage.read("mac.zip/caf\u00e9/a.jpg") == storage.read(f"mac.zip/{python}") == b"one"


def test_a_catalogue_has_pictures_of_nested_archives(tmp_path):
    """Training pictures in a tar of a tar per class, the others in a zip from Windows."""
    names = [f"{cls}{i}.png" for cls in "ab" for i in range(3)]
    pictures = {name: encode(picture_of(n)) for n, name in enumerate(names)}
    inner = tar_of({name: pictures[name] for name in names[:4]})
    (tmp_path / "train.tar").write_bytes(tar_of({"n1.tar": inner}))
    rest = {f"held\\{name}": pictures[name] for name in names[4:]}
    (tmp_path / "REST.ZIP").write_bytes(zip_of(rest))
    lines = ["path,label,true_label,split"]
    lines += [f"train.tar/n1.tar/{name},{name[0]},{name[0]},train" for name in names[:4]]
    lines += [f"REST.ZIP/held/{names[4]},,b,validation", f"REST.ZIP/held/{names[5]},,b,test"]
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    settings = dataset_settings(
        layout="table", root=str(tmp_path), archives=True, table="table.csv"
    )
    layout = open_layout(settings)
    catalogue = build_catalogue(layout)
    assert len(catalogue) == 6
    found = {Path(path).name: layout.read(path) for path in catalogue.paths}
    assert found == pictures
