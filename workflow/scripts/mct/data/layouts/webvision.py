"""WebVision 1.0 (Li et al., arXiv 1708.02862): web pictures by query, a validation set by hand.

No training label is verified, so the clean set comes from a second source: a folder like ILSVRC's,
or a part of the validation set. What remains of that is halved for validation and test.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from mct.base.texts import read_lines, whole_number
from mct.data.layouts.base import Row
from mct.data.layouts.classes import refuse_twice
from mct.data.layouts.draws import (
    divide_held_out,
    halve,
    halved_sizes,
    held_out_sizes,
    name_share,
)
from mct.data.layouts.folders import Listing, Skipped, list_pictures
from mct.data.layouts.settings import DatasetSettings
from mct.data.layouts.storage import refuse_outside
from mct.data.layouts.stored import StoredLayout, existing_folder, read_labels, split_line

MINI_CLASSES = 50
SOURCES = {"all": ("google", "flickr"), "mini": ("google",)}
VALIDATION_FOLDER = "val_images_256"


class WebVision(StoredLayout):
    """A data set laid out like WebVision 1.0, all classes or the first 50."""

    keys = ("archives", "clean_fraction", "clean_root", "subset")
    counts_confusion = counts_rate = brings_truth = False

    def __init__(self, settings: DatasetSettings) -> None:
        others = {}
        if settings.clean_root is not None:
            others["clean"] = existing_folder(settings.clean_root, settings.layout, "clean_root")
        super().__init__(settings, **others)
        self._clean_root = others.get("clean")
        self._info = self._root / "info"

    @property
    def _training_lists(self) -> list[Path]:
        sources = SOURCES[self.settings.subset]
        return [self._info / f"train_filelist_{source}.txt" for source in sources]

    def _lists(self) -> list[Path]:
        lists = [*self._training_lists, self._info / "val_filelist.txt"]
        return lists + ([self._info / "synsets.txt"] if self._clean_root else [])

    def listed_names(self) -> list[str]:
        return list(self._clean_folder)

    def name_files(self) -> list[Path]:
        return [self._info / "synsets.txt"]

    def listed_folders(self) -> list[Path]:
        return [self._clean_root] if self._clean_root else []

    @cached_property
    def _all_synsets(self) -> list[tuple[str, str]]:
        lines = read_lines(self._info / "synsets.txt")
        synsets = [(line.split()[0], _first_term(line)) for line in lines]
        refuse_twice([synset for synset, _ in synsets], self._info / "synsets.txt")
        return synsets

    @property
    def _synsets(self) -> list[tuple[str, str]]:
        """The synsets and names of the subset's classes."""
        count = MINI_CLASSES if self.settings.subset == "mini" else len(self._all_synsets)
        return self._all_synsets[:count]

    def class_names(self) -> list[str]:
        """Return the first term of each synset."""
        return [name for _, name in self._synsets]

    @cached_property
    def _clean_listings(self) -> list[Listing]:
        """The clean folder's listing of each class, none where there is no folder."""
        root = self._clean_root
        return [list_pictures(root, "clean:", synset) for synset, _ in self._synsets if root]

    @cached_property
    def _clean_folder(self) -> dict[str, int]:
        """The labels of the clean folder's pictures by path."""
        listings = enumerate(self._clean_listings)
        return {path: label for label, listing in listings for path in listing.pictures}

    def skipped(self) -> list[Skipped]:
        return [one for listing in self._clean_listings for one in listing.skipped]

    def missing(self, paths: list[str]) -> list[str]:
        """Return the listed pictures that are not there; the clean folder is its own list."""
        return super().missing([path for path in paths if path not in self._clean_folder])

    def clean_source(self) -> str:
        """Return the second source, since WebVision verified no training label."""
        if self._clean_root:
            return f"{self._clean_root}, not WebVision's own"
        return name_share(self._clean_fraction, "WebVision's validation pictures")

    def sizes(self) -> dict[str, int]:
        noisy = sum(len(self._select(path)) for path in self._training_lists)
        held_out = len(self._select(self._info / "val_filelist.txt"))
        if self._clean_root:
            return {"noisy": noisy, "clean": len(self._clean_folder), **halved_sizes(held_out)}
        return {"noisy": noisy, **held_out_sizes(held_out, self._clean_fraction)}

    def _select(self, path: Path) -> list[str]:
        """Return a list's lines, unchecked, of the subset's classes where that is a part."""
        lines = read_lines(path, foreign=True)
        if self.settings.subset == "all":
            return lines
        labels = [whole_number(split_line(line)[1]) for line in lines]
        kept = range(MINI_CLASSES)
        return [line for line, label in zip(lines, labels, strict=True) if label in kept]

    def _labels(self, path: Path) -> dict[str, int]:
        """Return the labels of a list's pictures that belong to the subset."""
        labels = read_labels(path, [synset for synset, _ in self._all_synsets])
        refuse_outside(labels, path)
        classes = len(self._synsets)
        return {key: label for key, label in labels.items() if label < classes}

    def _rows(self) -> Iterator[Row]:
        for path in self._training_lists:
            for key, label in sorted(self._labels(path).items()):
                yield Row(key, key, observed=label, noisy=True)
        for key, label in self._clean_folder.items():
            yield Row(key, key, true=label, clean=True)
        yield from self._held_out_rows()

    def _held_out_rows(self) -> Iterator[Row]:
        labels = self._labels(self._info / "val_filelist.txt")
        seed = self.settings.seed
        if self._clean_root:
            validation, _ = halve(labels, seed)
            clean: set[str] = set()
        else:
            clean, validation, _ = divide_held_out(labels, self._clean_fraction, seed)
        for name, label in sorted(labels.items()):
            sets = {"clean": name in clean, "validation": name in validation}
            path = f"{VALIDATION_FOLDER}/{name}"
            yield Row(path, path, true=label, test=not any(sets.values()), **sets)


def _first_term(line: str) -> str:
    """Return the name in a line like `n01440764 tench, Tinca tinca`."""
    synset, *names = line.split(maxsplit=1)
    return "".join(names).split(",")[0].strip() or synset
