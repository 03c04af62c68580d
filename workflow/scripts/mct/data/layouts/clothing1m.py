"""Clothing1M's arrangement (Xiao et al., CVPR 2015): key lists and `key label` files.

The lists lie in the root or in `annotations/`; keys may or may not begin with `images/`.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from mct.base.errors import UserError, preview
from mct.base.texts import read_lines
from mct.data.layouts.base import UNKNOWN, Row
from mct.data.layouts.classes import refuse_twice
from mct.data.layouts.settings import DatasetSettings
from mct.data.layouts.storage import refuse_outside
from mct.data.layouts.stored import StoredLayout, read_labels, spell_path

LISTS = {
    "noisy": "noisy_train_key_list.txt",
    "clean": "clean_train_key_list.txt",
    "validation": "clean_val_key_list.txt",
    "test": "clean_test_key_list.txt",
}
OBSERVED, TRUE = "noisy_label_kv.txt", "clean_label_kv.txt"
NAMES = "category_names_*.txt"


def spell_key(key: str) -> str:
    """Return a key as the path of its picture, whether or not a list writes the folder."""
    path = spell_path(key)
    return path if path.startswith("images/") else f"images/{path}"


class Clothing1M(StoredLayout):
    """A data set laid out, file for file, like Clothing1M."""

    keys = ("archives",)
    brings_truth = False
    _spell = staticmethod(spell_key)

    def __init__(self, settings: DatasetSettings) -> None:
        super().__init__(settings)
        annotations = self._root / "annotations"
        self._folder = annotations if annotations.is_dir() else self._root

    def _lists(self) -> list[Path]:
        return [self._folder / name for name in (*LISTS.values(), OBSERVED, TRUE)]

    def class_names(self) -> list[str]:
        """Return the names of the English file, or of the only one there is."""
        files = self.name_files()
        if not files:
            raise UserError(
                f"{self._folder}: expected a file {NAMES}, found none; put it there, a class a line"
            )
        names = read_lines(files[0])
        refuse_twice(names, files[0])
        return names

    def name_files(self) -> list[Path]:
        """Return the files of class names, the English one first."""
        files = self._folder.glob(NAMES)
        return sorted(files, key=lambda path: ("eng" not in path.name, path.name))

    def sizes(self) -> dict[str, int]:
        return {name: len(read_lines(self._folder / LISTS[name], foreign=True)) for name in LISTS}

    @cached_property
    def _members(self) -> dict[str, set[str]]:
        return {name: self._read_keys(self._folder / file) for name, file in LISTS.items()}

    def _read_keys(self, path: Path) -> set[str]:
        lines = read_lines(path, foreign=True)
        refuse_outside(map(spell_path, lines), path)
        return set(map(spell_key, lines))

    def _rows(self) -> Iterator[Row]:
        """Yield one row per listed key; every member of a set must have that set's kind of label."""
        names = self.class_names()
        observed = read_labels(self._folder / OBSERVED, names, spell_key)
        true = read_labels(self._folder / TRUE, names, spell_key, may_be_unknown=True)
        self._check_labelled(observed, true)
        noisy, clean, validation, test = (self._members[name] for name in LISTS)
        for key in sorted(set().union(*self._members.values())):
            labels = observed.get(key, UNKNOWN), true.get(key, UNKNOWN)
            yield Row(key, key, *labels, key in noisy, key in clean, key in validation, key in test)

    def _check_labelled(self, observed: dict[str, int], true: dict[str, int]) -> None:
        for name, members in self._members.items():
            labels, file = (observed, OBSERVED) if name == "noisy" else (true, TRUE)
            lacking = sorted(members - labels.keys())
            if lacking:
                raise UserError(
                    f"{self._folder / file}: {len(lacking)} keys of {LISTS[name]} have no label: "
                    f"{preview(lacking)}; add their lines, or take the keys out of that list"
                )
