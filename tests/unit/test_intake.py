"""Intakes: what is stored stays where it is, whatever happens to the lists."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import dataset_settings

from mct.base.errors import UserError
from mct.data.intake import (
    Intake,
    Intakes,
    Listed,
    cut,
    divide,
    list_file,
    list_pictures,
    listing_digest,
    read_listing,
    reading_settings,
    retired_keys,
)
from mct.data.layouts.base import LISTED
from mct.data.layouts.registry import open_layout


def pictures(*numbers: int, folder: str = "a") -> list[Listed]:
    """Return pictures in the order of their keys."""
    return sorted(Listed(f"k{number}", f"{folder}/{number}.jpg") for number in numbers)


def take(folder: Path, listed: list[Listed]) -> Intakes:
    """Divide listed pictures as a run does, and return the intakes that the next one finds."""
    divide(folder, listed).write(folder)
    found = Intakes.recall(folder)
    assert found is not None
    assert found.listed == listing_digest(listed)
    return found


def keys(folder: Path, name: str) -> list[str]:
    """Return the keys of an intake that are still listed."""
    gone = retired_keys(folder, name)
    listed = [picture.key for picture in read_listing(list_file(folder, name))]
    return [key for key in listed if key not in gone]


def test_all_pictures_of_an_empty_folder_are_the_first_intake(tmp_path):
    listed = pictures(*range(9))
    assert Intakes.recall(tmp_path) is None
    found = take(tmp_path, listed)
    assert found == Intakes.first(9, listing_digest(listed))
    assert list(read_listing(list_file(tmp_path, "0"))) == listed


def test_appended_pictures_are_an_intake_of_their_own(tmp_path):
    first = take(tmp_path, pictures(5, 6, 7))
    text = list_file(tmp_path, "0").read_bytes()
    found = take(tmp_path, pictures(1, 5, 6, 7, 9))
    assert found.intakes[0] == first.intakes[0]
    assert list_file(tmp_path, "0").read_bytes() == text
    assert keys(tmp_path, "1") == ["k1", "k9"]
    assert take(tmp_path, pictures(1, 5, 6, 7, 9)) == found


def test_a_removed_picture_leaves_its_intake_as_it_is(tmp_path):
    first = take(tmp_path, pictures(5, 6, 7))
    found = take(tmp_path, pictures(5, 7))
    assert found.intakes == first.intakes
    assert keys(tmp_path, "0") == ["k5", "k7"]


def test_a_picture_that_is_listed_again_is_inspected_again(tmp_path):
    take(tmp_path, pictures(5, 6, 7))
    take(tmp_path, pictures(5, 7))
    found = take(tmp_path, pictures(5, 6, 7))
    assert [intake.pictures for intake in found.intakes] == [3, 1]
    assert (keys(tmp_path, "0"), keys(tmp_path, "1")) == (["k5", "k7"], ["k6"])


def test_a_picture_under_another_path_is_inspected_again(tmp_path):
    take(tmp_path, pictures(5, 6))
    take(tmp_path, [*pictures(5), *pictures(6, folder="b")])
    assert (keys(tmp_path, "0"), keys(tmp_path, "1")) == (["k5"], ["k6"])
    assert list(read_listing(list_file(tmp_path, "1"))) == pictures(6, folder="b")


def test_an_intake_of_which_nothing_is_listed_is_forgotten(tmp_path):
    take(tmp_path, pictures(1, 2))
    take(tmp_path, pictures(1, 2, 3))
    found = take(tmp_path, pictures(3, 4))
    assert [intake.name for intake in found.intakes] == ["1", "2"]
    found = take(tmp_path, pictures(8, folder="z"))
    assert [intake.name for intake in found.intakes] == ["3"], "a name is never used twice"
    assert keys(tmp_path, "3") == ["k8"]


def test_without_its_lists_a_folder_has_no_intakes(tmp_path):
    take(tmp_path, pictures(1, 2))
    list_file(tmp_path, "0").unlink()
    assert Intakes.recall(tmp_path) is None
    assert take(tmp_path, pictures(2, 3)).intakes[0].pictures == 2


@pytest.mark.parametrize("appended", [(), (4,)])
def test_a_list_that_lost_a_picture_is_refused(tmp_path, appended):
    """It would be inspected and stored in part, and the rest a second time."""
    take(tmp_path, pictures(1, 2, 3))
    path = list_file(tmp_path, "0")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(UserError, match=r"0\.tsv: not the list that this intake had .* restore it"):
        divide(tmp_path, pictures(1, 2, 3, *appended))
    path.unlink()
    assert take(tmp_path, pictures(1, 2, 3)) == Intakes.first(3, listing_digest(pictures(1, 2, 3)))


def test_which_pictures_are_retired_is_found_again(tmp_path):
    take(tmp_path, pictures(5, 6, 7))
    take(tmp_path, pictures(5, 7))
    (tmp_path / "retired.tsv").unlink()
    found = Intakes.recall(tmp_path)
    assert found is not None
    assert found.listed != listing_digest(pictures(5, 7)), "so the next plan divides anew"
    take(tmp_path, pictures(5, 7))
    assert keys(tmp_path, "0") == ["k5", "k7"]


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"listed": "", "intakes": []}', '{"listed": "", "intakes": 3}',
        '{"listed": 1, "intakes": []}', '{"listed": "", "intakes": [{"name": 0}]}',
        '{"listed": "", "intakes": [{"name": "0", "pictures": "x", "digest": ""}]}',
    ],
)  # fmt: skip
def test_a_damaged_record_of_intakes_is_made_again(tmp_path, text):
    first = take(tmp_path, pictures(1, 2))
    (tmp_path / "intakes.json").write_text(text)
    assert take(tmp_path, pictures(1, 2)) == first


@given(st.lists(st.frozensets(st.integers(0, 9), min_size=1), min_size=1, max_size=6))
def test_every_listed_picture_lives_in_one_intake_whatever_happened(tmp_path_factory, listings):
    folder, digests = tmp_path_factory.mktemp("intakes"), {}
    for numbers in listings:
        found = take(folder, pictures(*numbers))
        living = [key for intake in found.intakes for key in keys(folder, intake.name)]
        assert sorted(living) == sorted(f"k{number}" for number in numbers)
        for intake in found.intakes:
            assert digests.setdefault(intake.name, intake.digest) == intake.digest


@pytest.mark.parametrize(
    ("sizes", "count", "expected"),
    [
        ([100], 4, [4]),
        ([100, 1], 4, [4, 1]),
        ([100, 26], 4, [4, 2]),
        ([100, 25], 4, [4, 1]),
        ([100, 9000], 4, [4, 4]),
        ([3], 8, [8]),
    ],
)
def test_no_piece_is_larger_than_needed(sizes, count, expected):
    intakes = tuple(
        Intake(name=str(number), pictures=size, digest="") for number, size in enumerate(sizes)
    )
    pieces = cut(Intakes(listed="", intakes=intakes), count)
    found = [sum(piece.intake is intake for piece in pieces.values()) for intake in intakes]
    assert found == expected
    assert list(pieces)[:2] == ["0-0000", "0-0001"]
    assert [piece.name for piece in pieces.values()] == list(pieces)


def test_a_layout_lists_the_pictures_of_its_rows():
    layout = open_layout(dataset_settings(seed=3))
    assert list_pictures(layout) == sorted((row.key, row.path) for row in layout.rows(LISTED))


def test_settings_of_labels_are_none_of_reading():
    dataset = {"layout": "cifar_n", "root": "data", "seed": 1, "label_set": "worse_label"}
    labels = {"seed": 7, "label_set": "aggre_label", "measuring_labels": "builtin"}
    assert reading_settings(dataset) == reading_settings({**dataset, **labels})
    assert reading_settings(dataset) != reading_settings({**dataset, "root": "other"})
    assert reading_settings(dataset) != reading_settings({**dataset, "label_set": "noisy_label"})
