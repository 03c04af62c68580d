"""Classes that nobody expected are named in warnings, with the name that was probably meant."""

import pytest
from samples import dataset_settings
from trees import TREES, write_list

from mct.data.layouts.registry import open_layout
from mct.experiment.cautions import cautions, class_cautions
from mct.experiment.configuration import resolve
from mct.experiment.lists import Lists


def lists_of(classes: dict[str, tuple[int, int, int, int]]) -> Lists:
    """Return lists in which classes have so many noisy, clean, validation and test pictures."""
    names = ("noisy", "clean", "validation", "test")
    columns = zip(*classes.values(), strict=True)
    counts = {name: list(column) for name, column in zip(names, columns, strict=True)}
    sizes = {name: sum(column) for name, column in counts.items()}
    return Lists(
        source="", pictures=0, listing="", sizes=sizes, classes=list(classes), clean_source="",
        class_counts=counts, stamps={}, files_checked=True,
    )  # fmt: skip


FULL = {"airplane": (500, 9, 9, 9), "truck": (400, 9, 9, 9), "horse": (300, 9, 9, 9)}


def test_a_whole_data_set_gets_no_warning():
    assert class_cautions(lists_of(FULL)) == []


def test_a_typo_is_named_with_the_class_that_was_meant():
    assert class_cautions(lists_of({**FULL, "airplan": (1, 0, 0, 0)})) == [
        "classes: 'airplan' has no clean picture, no validation picture, no test picture, "
        "1 noisy pictures (the median class has 350); is it a misspelling of 'airplane'?"
    ]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((300, 0, 9, 9), "has no clean picture"),
        ((300, 9, 0, 9), "has no validation picture"),
        ((300, 9, 9, 0), "has no test picture"),
        ((0, 9, 9, 9), "has no noisy picture (the median class has 350)"),
        ((3, 9, 9, 9), "has 3 noisy pictures (the median class has 350)"),
    ],
)
def test_each_lack_is_a_warning(counts, expected):
    assert class_cautions(lists_of({**FULL, "zebra": counts})) == [f"classes: 'zebra' {expected}"]


def test_a_class_of_one_percent_of_the_median_is_enough():
    assert class_cautions(lists_of({**FULL, "zebra": (4, 9, 9, 9)})) == []


def test_many_classes_are_ten_lines_and_a_number_the_smallest_first():
    small = {f"k{number:02d}": (number, 9, 9, 9) for number in range(12)}
    full = {f"full {number:02d} class": (5000, 9, 9, 9) for number in range(30)}
    lines = class_cautions(lists_of({**full, **small}))
    assert len(lines) == 11
    assert lines[0].startswith("classes: 'k00' has no noisy picture")
    assert lines[-1] == "classes: 2 more classes also lack pictures"


def test_numbers_are_no_misspellings_of_each_other():
    lines = class_cautions(
        lists_of({"10": (500, 9, 9, 9), "11": (400, 9, 9, 9), "110": (1, 9, 9, 9)})
    )
    assert len(lines) == 1
    assert "misspelling" not in lines[0]


def test_a_class_is_counted_by_its_observed_label_in_training_and_its_true_one_elsewhere(tmp_path):
    rows = ["path,label,true_label,split"]
    rows += [f"{number}.jpg,cat,{'dog' if number < 2 else ''},train" for number in range(5)]
    rows += ["5.jpg,dog,cat,train", "6.jpg,,cat,validation", "7.jpg,,dog,test"]
    write_list(tmp_path / "table.csv", rows)
    layout = open_layout(dataset_settings(layout="table", root=str(tmp_path)))
    lists = Lists.read(layout, check_files=False)
    assert lists.class_counts == {
        "noisy": [5, 1], "clean": [1, 2], "validation": [1, 0], "test": [0, 1],
    }  # fmt: skip


@pytest.mark.parametrize("layout", sorted(TREES))
def test_every_layout_counts_its_classes(tmp_path, layout):
    root = TREES[layout](tmp_path)
    changes = {"test_root": str(root / "food-101")} if layout == "food101n" else {}
    lists = Lists.read(open_layout(dataset_settings(layout=layout, root=str(root), **changes)))
    for name, counts in lists.class_counts.items():
        assert len(counts) == len(lists.classes)
        assert sum(counts) == lists.sizes[name]


@pytest.mark.parametrize(
    ("name", "size", "warns"),
    [("small_cnn", 224, True), ("small_cnn", 64, False), ("resnet50", 224, False)],
)
def test_large_pictures_in_the_quick_starts_net_are_a_warning(name, size, warns):
    config = resolve({"model": {"name": name}, "images": {"size": size}})
    lines = cautions(config, lists_of(FULL))
    assert [line.partition(":")[0] for line in lines] == (["model.name"] if warns else [])
