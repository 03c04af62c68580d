"""Pictures of one Parquet file by row: how much is read for them, and damaged files."""

import random
import threading
from pathlib import Path

import polars
import pytest

from mct.base.errors import BrokenPictureError, UserError
from mct.base.threads import map_in_threads
from mct.data.layouts import parquet_files
from mct.data.layouts.parquet_files import ParquetFile, Part, RecentParts
from mct.data.layouts.parquet_footers import read_footer

DATA = [bytes([number]) * (1 + number) for number in range(50)]


def write(path: Path, rows: int = 50, group: int = 7) -> Path:
    images = [{"bytes": data, "path": None} for data in DATA[:rows]]
    table = polars.DataFrame({"image": images, "label": [number % 3 for number in range(rows)]})
    table.write_parquet(path, row_group_size=group, metadata={"note": "café"})
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "train-0.parquet")


def test_the_end_of_a_file_says_where_its_row_groups_are(path):
    footer = read_footer(path)
    assert [group.rows for group in footer.groups] == [7] * 7 + [1]
    assert all(group.column_bytes["image"] > group.column_bytes["label"] for group in footer.groups)
    assert footer.metadata["note"] == "café"
    large = polars.DataFrame({"label": range(9000)})
    large.write_parquet(path, row_group_size=500)
    assert [group.rows for group in read_footer(path).groups] == [500] * 18


@pytest.mark.parametrize("order", ["in order", "at random"])
@pytest.mark.parametrize("part_bytes", [1, 1 << 20])
@pytest.mark.parametrize("group", [1, 7, 50])
def test_every_row_is_read_by_any_number_of_threads(
    tmp_path, monkeypatch, order, part_bytes, group
):
    monkeypatch.setattr(parquet_files, "PART_BYTES", part_bytes)
    monkeypatch.setattr(parquet_files, "KEPT_BYTES", 100)
    file = ParquetFile(write(tmp_path / "a.parquet", group=group), RecentParts())
    rows = list(range(50))
    if order == "at random":
        random.Random(0).shuffle(rows)
    assert list(map_in_threads(file.picture, rows, 4)) == [DATA[row] for row in rows]


def test_rows_that_follow_each_other_cost_one_reading_of_their_part():
    parts, reads = [Part(start, 10, 10) for start in range(0, 40, 10)], []
    recent = RecentParts()

    def read(part: Part) -> list[int]:
        reads.append(part)
        return list(range(part.start, part.start + part.rows))

    found = [recent.get(Path("a"), parts[row // 10], read) for row in range(40)]
    assert reads == parts
    assert [row for row in range(40) if found[row] is None] == [0, 10, 20, 30]
    assert all(found[row][row % 10] == row for row in range(40) if found[row])


@pytest.mark.parametrize(("size", "kept"), [(30, 3), (100, 2), (1000, 2)])
def test_parts_are_forgotten_but_the_last_two_and_what_fits(monkeypatch, size, kept):
    monkeypatch.setattr(parquet_files, "KEPT_BYTES", 100)
    recent, reads = RecentParts(), []

    def ask(*numbers: int) -> int:
        """Ask for parts; return how many were read for it."""
        before = len(reads)
        for number in numbers:
            recent.get(Path("a"), Part(number, 1, size), lambda part: reads.append(part) or [0])
        return len(reads) - before

    ask(0, 1, 2, 3, 3, 2, 1, 0)
    assert ask(*range(kept)) == 0
    assert ask(3) == 1


def test_threads_wait_for_one_reading_and_all_hear_of_its_error():
    recent, part, reads = RecentParts(), Part(0, 1, 1), []
    everyone = threading.Barrier(4)

    def read(part: Part) -> list[int]:
        reads.append(part)
        raise UserError("damaged")

    def ask(_: int) -> str:
        everyone.wait(10)
        try:
            recent.get(Path("a"), part, read)
        except UserError as error:
            return str(error)
        return "nothing"

    assert recent.get(Path("a"), part, read) is None
    threads, answers = [], []
    for number in range(4):
        threads.append(threading.Thread(target=lambda n=number: answers.append(ask(n))))
        threads[-1].start()
    for thread in threads:
        thread.join(10)
    assert answers == ["damaged"] * 4
    assert len(reads) == 1


def test_a_row_without_bytes_is_no_picture(tmp_path):
    images = [{"bytes": b"x", "path": None}, {"bytes": None, "path": "a.jpg"}, None]
    polars.DataFrame({"image": images}).write_parquet(tmp_path / "a.parquet")
    file = ParquetFile(tmp_path / "a.parquet", RecentParts())
    assert file.picture(0) == b"x"
    for row in (1, 2):
        with pytest.raises(BrokenPictureError, match=rf"a\.parquet, row {row}: no bytes in column"):
            file.picture(row)
    with pytest.raises(UserError, match="no row 3; it has 3"):
        file.picture(3)


def test_a_row_group_that_fills_the_memory_is_refused(path, monkeypatch):
    monkeypatch.setattr(parquet_files, "LARGEST_GROUP", 10)
    with pytest.raises(
        UserError, match=r"row group 0 has .* GB of pictures, .* row_group_size=100"
    ):
        ParquetFile(path, RecentParts()).check_pictures()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no whole Parquet file"),
        (b"PAR1", "no whole Parquet file"),
        (b"id,label\n1,2\n", "expected PAR1 at its start and at its end; fetch it again"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "pointer of Git LFS; fetch the",
        ),
        (b"PARE" + bytes(99) + b"PARE", "the Parquet file is encrypted"),
        (b"PAR1" + b"\x19" * 60 + (60).to_bytes(4, "little") + b"PAR1", "its end is damaged"),
        (b"PAR1" + bytes(4) + b"PAR1", "its end is damaged"),
    ],
)
def test_what_is_no_whole_file_ends_in_one_line(tmp_path, data, message):
    path = tmp_path / "train-0.parquet"
    path.write_bytes(data)
    with pytest.raises(UserError, match=rf"train-0\.parquet: .*{message}") as error:
        ParquetFile(path, RecentParts()).check_pictures()
    assert "\n" not in str(error.value)


def test_a_cut_file_is_refused(path):
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="no whole Parquet file"):
        ParquetFile(path, RecentParts()).check_pictures()
    with pytest.raises(UserError, match=r"gone\.parquet: cannot be read: No such file"):
        ParquetFile(path.with_name("gone.parquet"), RecentParts()).check_pictures()


def test_whatever_bytes_are_wrong_a_row_is_read_or_refused(path):
    data, random_numbers = path.read_bytes(), random.Random(0)
    refused = 0
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(random_numbers.choice([1, 5, 50])):
            damaged[random_numbers.randrange(len(data))] = random_numbers.randrange(256)
        path.write_bytes(damaged)
        file = ParquetFile(path, RecentParts())
        for read in (
            lambda file=file: file.picture(10),
            lambda file=file: file.read_columns("label"),
        ):
            try:
                read()
            except UserError as error:
                refused += 1
                assert str(path) in str(error)
    assert refused > 20
