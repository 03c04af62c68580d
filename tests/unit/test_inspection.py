"""Inspection of listed pictures: a finding for each, what stays out, copies, counts."""

from pathlib import Path

import numpy as np
import pytest
from samples import CLASSES, PictureLayout, encode, picture_of, small_catalogue

from mct.base.errors import UserError
from mct.base.files import write_rows
from mct.data.catalogue import write_catalogue
from mct.data.inspection import Finding, inspect_part, read_findings, write_findings
from mct.data.intake import Listed
from mct.data.quarantine import (
    LeftOut,
    check_share,
    find_copies,
    findings_by_key,
    held_out_copies,
    inspected_rows,
    left_out,
    read_kinds,
)
from mct.data.sharding import ShardPlan, choose_members, deal
from mct.results.census import class_rows, count_copies, picture_rows, take_census

MOST_PIXELS = 10_000


class Spoilt(PictureLayout):
    """Picture 1 is empty, 2 unreadable; 3 and 8 are the test picture 14; 5 and 6 are the same."""

    def read(self, path: str) -> bytes:
        number = int(Path(path).stem)
        if number == 1:
            return b""
        if number == 2:
            raise UserError(f"{path}: cannot be read: Input/output error")
        same = {3: 14, 8: 14, 6: 5}
        return encode(picture_of(same.get(number, number), 8, 8))


def in_parts(folder: Path, layout: object, parts: int = 1) -> tuple[Path, list[Path]]:
    """Write the list of the small catalogue's pictures and the findings of all parts."""
    listing, catalogue = folder / "listing.tsv", small_catalogue()
    write_rows(listing, Listed._fields, zip(catalogue.keys, catalogue.paths, strict=True))
    paths = [folder / f"{part:04d}.tsv" for part in range(parts)]
    for part, path in enumerate(paths):
        write_findings(inspect_part(listing, layout, part, parts, MOST_PIXELS, 2), path)
    return listing, paths


def inspected(folder: Path, layout: object, parts: int = 1) -> tuple[Path, dict[str, Finding]]:
    """Write the small catalogue and return the findings of all its pictures."""
    catalogue = folder / "catalogue.tsv"
    write_catalogue(small_catalogue(), catalogue)
    return catalogue, findings_by_key(in_parts(folder, layout, parts)[1])


def excluded(catalogue: Path, findings: dict[str, Finding]) -> list[LeftOut]:
    """Return the pictures that stay out."""
    return left_out(catalogue, findings, held_out_copies(find_copies(catalogue, findings)))


@pytest.mark.parametrize("parts", [1, 3, 16, 20])
def test_parts_together_are_the_list(tmp_path, parts):
    whole = list(read_findings(in_parts(tmp_path / "one", Spoilt())[1]))
    assert list(read_findings(in_parts(tmp_path, Spoilt(), parts)[1])) == whole
    pairs = list(inspected_rows(*inspected(tmp_path, Spoilt(), parts)))
    assert [row.key for row, _ in pairs] == [finding.key for finding in whole]
    assert [row.key for row, _ in pairs] == small_catalogue().keys


def test_findings_say_what_is_wrong(tmp_path):
    findings = list(read_findings(in_parts(tmp_path, Spoilt())[1]))
    assert [finding.kind for finding in findings[:4]] == ["", "empty", "unreadable", ""]
    assert "Input/output error" in findings[2].reason
    assert (findings[0].format, findings[0].width, findings[0].mode) == ("PNG", 8, "RGB")
    assert findings[5].digest == findings[6].digest != findings[7].digest


def test_findings_of_another_list_are_refused(tmp_path):
    listing, paths = in_parts(tmp_path, PictureLayout(), 2)
    plan = ShardPlan(shard=0, shards=1, source="test")
    with pytest.raises(UserError, match=r"not the inspection of .*expected key-0, got key-8"):
        choose_members(listing, paths[1:], (), plan)
    with pytest.raises(UserError, match="expected key-8, got its end"):
        choose_members(listing, paths[:1], (), plan)


def test_a_picture_that_was_not_inspected_is_named(tmp_path):
    catalogue, findings = inspected(tmp_path, PictureLayout())
    del findings["key-8"]
    with pytest.raises(UserError, match=r"picture key-8 was not inspected; rerun"):
        list(inspected_rows(catalogue, findings))


def test_findings_do_not_depend_on_the_order_of_the_list(tmp_path):
    catalogue, findings = inspected(tmp_path, Spoilt())
    turned = dict(reversed(findings.items()))
    assert list(inspected_rows(catalogue, turned)) == list(inspected_rows(catalogue, findings))
    assert excluded(catalogue, turned) == excluded(catalogue, findings)


def test_copies_of_test_pictures_leave_training(tmp_path):
    """3 is noisy; 8 is noisy and clean; the pair 5 and 6 stays."""
    lines = excluded(*inspected(tmp_path, Spoilt(), 2))
    assert [(line.key, line.sets, line.kind) for line in lines] == [
        ("key-1", "noisy", "empty"),
        ("key-2", "noisy", "unreadable"),
        ("key-3", "noisy", "copy_of_test"),
        ("key-8", "noisy clean", "copy_of_test"),
    ]
    assert lines[2].reason == "the same file as the test picture key-14"


@pytest.mark.parametrize(
    ("same", "out"),
    [
        ({13: 14}, {13}),  # validation is test
        ({0: 12}, {0}),  # noisy is validation
        ({0: 14, 12: 14}, {0, 12}),
        ({0: 1}, set()),  # both noisy
        ({0: 11}, set()),  # noisy is clean
        ({15: 14}, set()),  # both test
    ],
)
def test_held_out_pictures_are_in_no_other_set(tmp_path, same, out):
    class Copied(PictureLayout):
        def read(self, path: str) -> bytes:
            number = int(Path(path).stem)
            return encode(picture_of(same.get(number, number), 8, 8))

    lines = excluded(*inspected(tmp_path, Copied()))
    assert {line.key for line in lines} == {f"key-{number}" for number in out}


@pytest.mark.parametrize("shards", [1, 3])
def test_shards_hold_every_readable_picture_that_is_not_retired(tmp_path, shards):
    listing, parts = in_parts(tmp_path, Spoilt(), 2)
    for shard in range(shards):
        plan = ShardPlan(shard=shard, shards=shards, source="test")
        members = choose_members(listing, parts, {"key-5"}, plan)
        dealt = [number for number in deal(16, shards, shard).tolist() if number not in (1, 2, 5)]
        assert [m.row.key for m in members] == [f"key-{number}" for number in dealt]
        assert [m.finding.key for m in members] == [m.row.key for m in members]


def test_what_stays_out_is_written_with_its_kind(tmp_path):
    lines = excluded(*inspected(tmp_path, Spoilt()))
    write_rows(tmp_path / "quarantine.tsv", LeftOut._fields, lines)
    assert read_kinds(tmp_path / "quarantine.tsv") == {
        "key-1": "empty", "key-2": "unreadable", "key-3": "copy_of_test", "key-8": "copy_of_test",
    }  # fmt: skip


@pytest.mark.parametrize(("share", "allowed"), [(0.2, True), (0.19, False)])
def test_at_most_a_share_may_be_unusable_copies_not_counted(tmp_path, share, allowed):
    """Of ten noisy pictures two cannot be used and two are copies."""
    lines = excluded(*inspected(tmp_path, Spoilt()))
    listed = {"noisy": 10, "clean": 5, "validation": 2, "test": 2}
    if allowed:
        check_share(lines, listed, share)
    else:
        with pytest.raises(UserError, match=r"2 of 10 noisy pictures cannot be used, .*1\.png"):
            check_share(lines, listed, share)


def test_a_set_of_which_nothing_is_left_is_refused_whatever_its_share():
    """Copies of test pictures leave training, and no share counts them."""
    lines = [
        LeftOut(f"{n}", f"{n}.png", "clean", "copy_of_test", f"the same file as {n}") for n in "ab"
    ]
    check_share(lines, {"noisy": 9, "clean": 3, "validation": 1, "test": 2}, 1.0)
    with pytest.raises(UserError, match="none of 2 clean pictures is left: the same file as a"):
        check_share(lines, {"noisy": 9, "clean": 2, "validation": 1, "test": 2}, 1.0)


def test_census_counts_every_picture_once(tmp_path):
    catalogue, findings = inspected(tmp_path, Spoilt())
    lines = excluded(catalogue, findings)
    census = take_census(catalogue, findings, lines, CLASSES)
    assert {name: part["listed"] for name, part in census.items()} == {
        "noisy": 10, "clean": 5, "validation": 2, "test": 2,
    }  # fmt: skip
    for part in census.values():
        out = sum(n for name, n in part["counts"].items() if name.startswith("left_out"))
        assert part["listed"] == part["kept"] + out
        assert sum(part["classes"]) == sum(part["short_sides"]) == part["kept"]
    noisy = census["noisy"]
    assert noisy["classes"] == np.bincount(np.array([0, 4, 5, 6, 7, 9]) % CLASSES).tolist()
    assert noisy["counts"] == {
        "format:PNG": 6, "left_out:copy_of_test": 2, "left_out:empty": 1, "left_out:unreadable": 1,
    }  # fmt: skip
    assert noisy["quantiles"]["short_side"] == [8, 8, 8]


def test_copies_within_a_set_and_their_labels_are_counted(tmp_path):
    catalogue, findings = inspected(tmp_path, Spoilt())
    counts = count_copies(find_copies(catalogue, findings), excluded(catalogue, findings))
    assert counts["noisy"] == {"copies": 2, "copies_labelled_differently": 2}
    assert counts["test"] == {"copies": 0, "copies_labelled_differently": 0}


def test_tables_have_a_column_for_each_set(tmp_path):
    catalogue, findings = inspected(tmp_path, Spoilt())
    lines = excluded(catalogue, findings)
    counts = count_copies(find_copies(catalogue, findings), lines)
    census = take_census(catalogue, findings, lines, CLASSES)
    census = {name: {**part, **counts[name]} for name, part in census.items()}
    rows = {row["quantity"]: row for row in picture_rows(census)}
    assert rows["listed"] == {
        "quantity": "listed", "unit": "pictures",
        "noisy": "10", "clean": "5", "validation": "2", "test": "2",
    }  # fmt: skip
    assert rows["left_out: empty"]["noisy"] == "1"
    assert rows["left_out: empty"]["test"] == "0"
    assert rows["short_side: 50 % quantile"]["clean"] == "8"
    classes = class_rows(census, ["a", "b", "c"])
    assert [row["name"] for row in classes] == ["a", "b", "c"]
    assert sum(int(row["noisy"]) for row in classes) == 6


@pytest.mark.parametrize("text", ["", "key\tdigest\nkey-0\tabc\n", "key\n" + "x\t" * 10 + "\n"])
def test_damaged_results_end_in_a_line(tmp_path, text):
    parts = in_parts(tmp_path, PictureLayout())[1]
    parts[0].write_text(text)
    with pytest.raises(UserError, match=r"0000\.tsv: cannot be read as an inspection.*rerun"):
        findings_by_key(parts)
    catalogue, findings = inspected(tmp_path, PictureLayout())
    catalogue.write_text(text)
    with pytest.raises(UserError, match=r"catalogue\.tsv: cannot be read as a catalogue.*rerun"):
        list(inspected_rows(catalogue, findings))
