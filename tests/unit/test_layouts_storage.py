"""Where pictures lie: plain files, members of archives, and nothing outside the root."""

import errno
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import dataset_settings, encode, picture_of, write_clothing

from mct.base.errors import BrokenPictureError, UserError
from mct.base.threads import map_in_threads
from mct.data.catalogue import build_catalogue
from mct.data.layouts.archives import is_inside
from mct.data.layouts.clothing1m import Clothing1M
from mct.data.layouts.storage import Storage


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with a file, beside another that must not be read."""
    (tmp_path / "root/a").mkdir(parents=True)
    (tmp_path / "root/a/b.jpg").write_bytes(b"inside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret.jpg").write_bytes(b"secret")
    return tmp_path / "root"


def write_tar(path: Path, files: dict[str, bytes], **links: tuple[bytes, str]) -> None:
    """Write a tar of files, and of links by (kind, target)."""
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for name, (kind, target) in links.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            tar.addfile(member)


def write_zip(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(name, data)


WRITERS = {"tar": write_tar, "zip": write_zip}


def test_plain_files_are_read_and_missed(root):
    storage = Storage(root, archives=False)
    assert storage.read("a/b.jpg") == b"inside"
    assert storage.missing(["a/b.jpg", "a/c.jpg", "z/b.jpg"]) == ["a/c.jpg", "z/b.jpg"]
    with pytest.raises(UserError, match=r"root/a/c\.jpg: cannot be read: No such file"):
        storage.read("a/c.jpg")


def test_each_folder_is_listed_once(root, monkeypatch):
    from mct.data.layouts import storage as module

    listed = []
    scandir = module.os.scandir
    monkeypatch.setattr(module.os, "scandir", lambda path: listed.append(path) or scandir(path))
    paths = [f"a/{number}.jpg" for number in range(1000)]
    assert Storage(root, archives=False).missing([*paths, "a/b.jpg"]) == paths
    assert len(listed) == 1


PATHS = ["../outside/secret.jpg", "a/../../outside/secret.jpg", "/etc/passwd", "", "a/\0"]


@pytest.mark.parametrize("archives", [True, False])
@pytest.mark.parametrize("path", PATHS)
def test_paths_that_leave_the_root_are_refused(root, path, archives):
    storage = Storage(root, archives)
    for use in (storage.read, lambda path: storage.missing([path])):
        with pytest.raises(UserError, match="root: expected paths below the data set's folder"):
            use(path)


@pytest.mark.parametrize("archives", [True, False])
@pytest.mark.parametrize(
    ("link", "target", "path"),
    [
        ("a/link.jpg", "../../outside/secret.jpg", "a/link.jpg"),
        ("link", "../outside", "link/secret.jpg"),
    ],
)
def test_links_that_lead_outside_are_refused(root, link, target, path, archives):
    (root / link).symlink_to(target)
    storage = Storage(root, archives)
    for use in (storage.read, lambda path: storage.missing([path])):
        with pytest.raises(UserError, match=f"root: {link} is a link that leads outside"):
            use(path)


def test_links_that_stay_inside_are_followed(root):
    (root / "a/link.jpg").symlink_to("b.jpg")
    (root / "a/broken.jpg").symlink_to("nothing.jpg")
    (root / "folder").symlink_to("a")
    (root.parent / "alias").symlink_to("root")
    storage = Storage(root.parent / "alias", archives=False)
    assert storage.read("a/link.jpg") == storage.read("folder/b.jpg") == b"inside"
    assert storage.missing(["a/link.jpg", "folder/link.jpg", "a/broken.jpg"]) == ["a/broken.jpg"]


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("spelling", ["x/a.jpg", "./x/a.jpg"])
def test_members_of_archives_are_read(root, kind, spelling):
    WRITERS[kind](root / f"a/pictures.{kind}", {spelling: b"one", "x/b.jpg": b"two"})
    storage, top = Storage(root, archives=True), f"a/pictures.{kind}"
    assert storage.read(f"{top}/x/a.jpg") == b"one"
    assert storage.read(f"{top}/x/b.jpg") == b"two"
    assert storage.read("a/b.jpg") == b"inside"
    paths = [f"{top}/x/a.jpg", f"{top}/x/c.jpg", f"{top}/x", "a/b.jpg", "none.tar/x"]
    assert storage.missing(paths) == [f"{top}/x/c.jpg", f"{top}/x", "none.tar/x"]
    with pytest.raises(UserError, match=rf"pictures\.{kind}: no file x/c\.jpg in the archive"):
        storage.read(f"{top}/x/c.jpg")


def test_archives_are_opened_only_where_they_are_admitted(root):
    write_tar(root / "pictures.tar", {"a.jpg": b"one"})
    assert Storage(root, archives=False).missing(["pictures.tar/a.jpg"]) == ["pictures.tar/a.jpg"]


def test_a_folder_named_like_an_archive_is_a_folder(root):
    (root / "x.tar").mkdir()
    (root / "x.tar/a.jpg").write_bytes(b"plain")
    assert Storage(root, archives=True).read("x.tar/a.jpg") == b"plain"


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("entry", ["../secret.jpg", "/etc/passwd", "x/../../y"])
def test_entries_that_lead_outside_are_refused(root, kind, entry):
    path = root / f"bad.{kind}"
    WRITERS[kind](path, {"good.jpg": b"1", entry: b"2"})
    with pytest.raises(UserError, match=rf"bad\.{kind}: entry '{entry}' leads outside"):
        Storage(root, archives=True).read(f"bad.{kind}/good.jpg")


def test_links_in_a_tar_stay_in_it(root):
    links = {"soft": (tarfile.SYMTYPE, "x/a.jpg"), "hard": (tarfile.LNKTYPE, "x/a.jpg"),
             "chain": (tarfile.SYMTYPE, "soft"), "loop": (tarfile.SYMTYPE, "loop")}  # fmt: skip
    write_tar(root / "good.tar", {"x/a.jpg": b"one"}, **links)
    storage = Storage(root, archives=True)
    assert {storage.read(f"good.tar/{name}") for name in ("soft", "hard", "chain")} == {b"one"}
    assert storage.missing(["good.tar/loop"]) == ["good.tar/loop"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("target", ["/etc/passwd", "../outside/secret.jpg"])
def test_links_in_a_tar_that_lead_outside_are_refused(root, kind, target):
    write_tar(root / "bad.tar", {"a": b"1"}, link=(kind, target))
    with pytest.raises(
        UserError, match=rf"bad\.tar: entry 'link' is a link to '{target}', outside"
    ):
        Storage(root, archives=True).missing(["bad.tar/a"])


def test_links_in_a_zip_are_refused(root):
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(root / "bad.zip", "w") as file:
        file.writestr(info, "/etc/passwd")
    with pytest.raises(UserError, match=r"bad\.zip: link is a link"):
        Storage(root, archives=True).read("bad.zip/link")


def test_an_archive_that_is_a_link_to_outside_is_refused(root):
    write_tar(root.parent / "outside/x.tar", {"a": b"1"})
    (root / "x.tar").symlink_to("../outside/x.tar")
    with pytest.raises(UserError, match=r"x\.tar is a link that leads outside"):
        Storage(root, archives=True).read("x.tar/a")


@pytest.mark.parametrize("name", ["bad.tar", "bad.zip", "bad.tar.gz", "bad.tgz"])
def test_what_is_no_plain_archive_is_refused(root, name):
    (root / name).write_bytes(b"no archive" * 100)
    with pytest.raises(
        UserError, match=rf"{name}: (cannot be read as an archive|expected a plain)"
    ):
        Storage(root, archives=True).read(f"{name}/a.jpg")


def test_a_cut_tar_and_a_spoilt_zip_are_refused(root):
    data = bytes(range(256)) * 100
    for kind, writer in WRITERS.items():
        path = root / f"cut.{kind}"
        writer(path, {"a.jpg": data})
        content = bytearray(path.read_bytes())
        content[60:70] = b"x" * 10 if kind == "zip" else content[60:70]
        path.write_bytes(content[:9000] if kind == "tar" else content)
        with pytest.raises(UserError, match=rf"cut\.{kind}"):
            Storage(root, archives=True).read(f"cut.{kind}/a.jpg")


def test_further_folders_have_a_prefix(root):
    storage = Storage(root, False, test=root.parent / "outside")
    assert storage.read("test:secret.jpg") == b"secret"
    assert storage.missing(["test:secret.jpg", "test:a/b.jpg", "a/b.jpg"]) == ["test:a/b.jpg"]
    with pytest.raises(UserError, match="outside: expected paths below"):
        storage.read("test:../root/a/b.jpg")


def test_a_colon_in_a_name_is_a_letter_like_any_other(root):
    (root / "a/12:30.jpg").write_bytes(b"noon")
    assert Storage(root, archives=False).read("a/12:30.jpg") == b"noon"


@given(st.lists(st.sampled_from(["..", ".", "a", "", "b.tar", "..a"]), max_size=6))
def test_a_path_is_inside_unless_it_climbs(parts):
    path = "/".join(parts)
    inside = Path("/root").joinpath(path)
    climbs = ".." in parts or path.startswith("/") or not path
    assert is_inside(path) == (not climbs)
    assert not is_inside(path) or inside.is_relative_to("/root")


def test_a_tree_like_clothing_may_keep_its_pictures_in_archives(tmp_path):
    tree = write_clothing(tmp_path / "root", absent="abcdef")
    folder = tree / "images/0"
    folder.rmdir()
    annotations = tree / "annotations"
    for path in annotations.glob("*_k*.txt"):
        path.write_text(path.read_text().replace("images/0/", "images/0.tar/"))
    files = {f"{letter}.jpg": encode(picture_of(n), "JPEG") for n, letter in enumerate("abcdef")}
    write_tar(tree / "images/0.tar", files)
    settings = {"layout": "clothing1m", "root": str(tree)}
    layout = Clothing1M(dataset_settings(**settings, archives=True))
    assert len(build_catalogue(layout)) == 6
    assert layout.read("images/0.tar/b.jpg") == files["b.jpg"]
    with pytest.raises(UserError, match="6 of 6 listed pictures are not there"):
        build_catalogue(Clothing1M(dataset_settings(**settings)))


@pytest.mark.parametrize("key", ["images/../../outside.jpg", "/etc/passwd"])
def test_keys_of_clothing_that_leave_the_root_are_refused_with_their_list(tmp_path, key):
    tree = write_clothing(tmp_path / "root", clean_test_key_list=["images/0/f.jpg", key])
    layout = Clothing1M(dataset_settings(layout="clothing1m", root=str(tree)))
    with pytest.raises(UserError, match=rf"clean_test_key_list\.txt: expected paths .* got {key}"):
        list(layout.rows())


@pytest.mark.parametrize("kind", ["file", *WRITERS])
def test_a_file_too_large_for_a_picture_is_refused_before_it_is_read(root, kind, monkeypatch):
    monkeypatch.setattr("mct.data.layouts.archives.MOST_BYTES", 5)
    if kind != "file":
        WRITERS[kind](root / f"a.{kind}", {"b.jpg": b"inside"})
    with pytest.raises(BrokenPictureError, match=r"b\.jpg: expected at most 5 bytes, got 6"):
        Storage(root, archives=True).read("a/b.jpg" if kind == "file" else f"a.{kind}/b.jpg")


@pytest.mark.parametrize("kind", WRITERS)
def test_threads_read_an_archive_at_once(root, kind):
    files = {f"{number}.jpg": bytes([number]) * 1000 for number in range(200)}
    WRITERS[kind](root / f"many.{kind}", files)
    storage = Storage(root, archives=True)
    found = map_in_threads(lambda name: storage.read(f"many.{kind}/{name}"), files, 4)
    assert list(found) == list(files.values())


def test_a_folder_that_may_not_be_listed_is_named(root, monkeypatch):
    scandir = os.scandir

    def refuse(folder: Path) -> object:
        if Path(folder).name == "a":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match="root/a: cannot be listed: Permission denied"):
        Storage(root, archives=False).missing(["a/b.jpg"])
