"""ANIMAL-10N (Song et al., ICML 2019): two folders of files `<label>_<anything>.jpg`.

No training label is verified, so the clean set is a part of the test pictures. What remains of
those is halved for validation and test.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from mct.base.errors import UserError
from mct.data.layouts.base import Layout, Row
from mct.data.layouts.draws import divide_held_out, held_out_sizes, name_share
from mct.data.layouts.folders import Listing, Skipped, list_pictures
from mct.data.layouts.stored import StoredLayout

NAMES = (
    "cat", "lynx", "wolf", "coyote", "cheetah", "jaguar", "chimpanzee", "orangutan", "hamster",
    "guinea pig",
)  # fmt: skip
TRAINING, TESTING = "training", "testing"


class Animal10N(StoredLayout):
    """A data set laid out like ANIMAL-10N."""

    keys = ("clean_fraction",)
    counts_confusion = counts_rate = brings_truth = False
    missing = Layout.missing

    @cached_property
    def _listings(self) -> dict[str, Listing]:
        folders = (TRAINING, TESTING)
        return {folder: list_pictures(self._root, "", folder) for folder in folders}

    @property
    def _pictures(self) -> dict[str, list[str]]:
        return {folder: listing.pictures for folder, listing in self._listings.items()}

    def skipped(self) -> list[Skipped]:
        return [one for listing in self._listings.values() for one in listing.skipped]

    def listed_names(self) -> list[str]:
        """Return the paths of all pictures: labels are in their names."""
        return self._pictures[TRAINING] + self._pictures[TESTING]

    def listed_folders(self) -> list[Path]:
        return [self._root / TRAINING, self._root / TESTING]

    def class_names(self) -> list[str]:
        return list(NAMES)

    def clean_source(self) -> str:
        """Return that the clean set is held out, since no training label is verified."""
        share = name_share(self._clean_fraction, "the test pictures")
        return f"{share} and tested on no more"

    def sizes(self) -> dict[str, int]:
        held_out = held_out_sizes(len(self._pictures[TESTING]), self._clean_fraction)
        return {"noisy": len(self._pictures[TRAINING]), **held_out}

    def _rows(self) -> Iterator[Row]:
        for path in self._pictures[TRAINING]:
            yield Row(path, path, observed=self._label(path), noisy=True)
        held_out = self._pictures[TESTING]
        clean, validation, test = divide_held_out(
            held_out, self._clean_fraction, self.settings.seed
        )
        for path in held_out:
            sets = {"clean": path in clean, "validation": path in validation, "test": path in test}
            yield Row(path, path, true=self._label(path), **sets)

    def _label(self, path: str) -> int:
        label, underscore, _ = path.rpartition("/")[2].partition("_")
        if (
            not underscore
            or not (label.isascii() and label.isdecimal())
            or int(label) >= len(NAMES)
        ):
            raise UserError(
                f"{self._root / path}: expected a name `<label 0 to 9>_...`; rename it or take "
                "it out"
            )
        return int(label)
