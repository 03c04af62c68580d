"""Clothing1M's arrangement (Xiao et al., CVPR 2015): key lists and `key label` files.

The lists lie in the root or in `annotations/`; keys may or may not begin with `images/`.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from mct.errors import UserError, preview
from mct.layouts.base import (
    UNKNOWN,
    Row,
    existing_root,
    missing_files,
    read_file,
    read_labels,
    read_lines,
)
from mct.settings import DatasetSettings

LISTS = {
    "noisy": "noisy_train_key_list.txt",
    "clean": "clean_train_key_list.txt",
    "validation": "clean_val_key_list.txt",
    "test": "clean_test_key_list.txt",
}
OBSERVED, TRUE = "noisy_label_kv.txt", "clean_label_kv.txt"
NAMES = "category_names_*.txt"


class Clothing1M:
    """A data set laid out, file for file, like Clothing1M."""

    def __init__(self, settings: DatasetSettings) -> None:
        self._root = existing_root(settings.root, "clothing1m")
        annotations = self._root / "annotations"
        self._lists = annotations if annotations.is_dir() else self._root
        self._measuring = Path(settings.measuring_labels) if settings.measuring_labels else None

    def source_files(self) -> list[Path]:
        """Return the key lists and label files."""
        files = [self._lists / name for name in (*LISTS.values(), OBSERVED, TRUE)]
        return files + ([self._measuring] if self._measuring else [])

    def class_names(self) -> list[str]:
        """Return the names of the English file, or of the only one there is."""
        files = sorted(
            self._lists.glob(NAMES), key=lambda path: ("eng" not in path.name, path.name)
        )
        if not files:
            raise UserError(f"{self._lists}: expected a file {NAMES}, found none")
        return read_lines(files[0])

    def sizes(self) -> dict[str, int]:
        """Return the lengths of the sets' lists."""
        return {name: len(read_lines(self._lists / LISTS[name])) for name in LISTS}

    @cached_property
    def _members(self) -> dict[str, set[str]]:
        return {
            name: {spell_key(key) for key in read_lines(self._lists / file)}
            for name, file in LISTS.items()
        }

    def rows(self) -> Iterator[Row]:
        """Yield one row per listed key; every member of a set must have that set's kind of label."""
        classes = len(self.class_names())
        observed = read_labels(self._lists / OBSERVED, classes, spell_key)
        true = read_labels(self._lists / TRUE, classes, spell_key)
        self._check_labelled(observed, true)
        measured = read_labels(self._measuring, classes, spell_key) if self._measuring else {}
        _check_agreement(true, measured, self._measuring)
        truth = {**measured, **true}
        for key in sorted(set().union(*self._members.values())):
            yield Row(
                key=key,
                path=key,
                observed=observed.get(key, UNKNOWN),
                true=truth.get(key, UNKNOWN),
                **{name: key in members for name, members in self._members.items()},
            )

    def _check_labelled(self, observed: dict[str, int], true: dict[str, int]) -> None:
        for name, members in self._members.items():
            labels, file = (observed, OBSERVED) if name == "noisy" else (true, TRUE)
            lacking = sorted(members - labels.keys())
            if lacking:
                raise UserError(
                    f"{self._lists / file}: {len(lacking)} keys of {LISTS[name]} have no label: "
                    f"{preview(lacking)}"
                )

    def missing(self, paths: list[str]) -> list[str]:
        """Return the listed pictures that are not there."""
        return missing_files(self._root, paths)

    def read(self, path: str) -> bytes:
        """Return a picture's file."""
        return read_file(self._root, path)


def spell_key(key: str) -> str:
    """Return a key as the path of its picture, whether or not a list writes the folder."""
    return key if key.startswith("images/") else f"images/{key}"


def _check_agreement(true: dict[str, int], measured: dict[str, int], path: Path | None) -> None:
    for key in true.keys() & measured.keys():
        if true[key] != measured[key]:
            raise UserError(
                f"{path}: key {key} has two true labels, {true[key]} in {TRUE} and {measured[key]} here"
            )
