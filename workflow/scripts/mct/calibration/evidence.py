"""What is known of wrong labels before a calibration: P, and the confusion of labels that fits it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from mct.base.files import read_json
from mct.calibration.settings import CalibrationSettings
from mct.data.imagesets import ImageSet
from mct.labels.agreement import TOLERANCE, agree, implied_rate
from mct.labels.confusions import Matrix, read_confusion, read_samples
from mct.labels.noise import wilson_interval


@dataclass(frozen=True)
class Evidence:
    """A noise file's content, and T[i, j] = P(observed j | true i), (K, K), for posterior targets.

    Where the confusion that was found has another rate than P's interval, `confusion` is brought to P,
    and `confusion_rate` is the rate that was found; else it is None. It `contradicts` P where the
    number of samples that it was counted on does not explain the difference. `strength` is how strongly to
    correct, 0 to 1, see `mct.labels.strength`.
    """

    noise: Mapping[str, Any]
    confusion: Matrix | None = None
    confusion_rate: float | None = None
    contradicts: bool = False
    strength: float = 1.0

    @classmethod
    def read(
        cls, noise: Path, confusion: Path, image_set: ImageSet, strength: Sequence[Path] = ()
    ) -> "Evidence":
        """Return what files say of a noisy set; UserError where one does not say it."""
        members = np.bincount(image_set.observed, minlength=image_set.classes)
        shares, samples = members / members.sum(), read_samples(confusion)
        known = cls.of(cls.rates(noise).noise, read_confusion(confusion), shares, samples)
        for path in strength:
            known = replace(known, strength=read_json(path, "strength")["strength"])
        return known

    @classmethod
    def rates(cls, noise: Path) -> "Evidence":
        """Return P alone, for a calibration whose targets need no confusion."""
        return cls(read_json(noise, "rate", "lower", "upper", "class_rates"))

    @classmethod
    def of(
        cls,
        noise: Mapping[str, Any],
        confusion: Matrix,
        shares: NDArray[np.float64],
        samples: int = 0,
    ) -> "Evidence":
        """Return P and a confusion that agrees with it.

        `shares` (K,) are of observed classes, `samples` those that the confusion was counted on, 0
        where it was not.
        """
        found = implied_rate(confusion, shares)
        lowest, highest = noise["lower"] - TOLERANCE, noise["upper"] + TOLERANCE
        if lowest <= found <= highest:
            return cls(noise, confusion)
        agreed = agree(confusion, shares, noise["rate"])
        low, high = wilson_interval(round(found * samples), samples) if samples else (found, found)
        return cls(noise, agreed, found, contradicts=low > highest or high < lowest)

    def weaken(self, settings: CalibrationSettings) -> CalibrationSettings:
        """Return the settings with the weight of the teacher's targets as strong as it should be."""
        return msgspec.structs.replace(
            settings, soft_target_weight=self.strength * settings.soft_target_weight
        )

    def believed(self) -> dict[str, Any]:
        """Return the rates that the selection goes by: as much of P as is corrected for."""
        rates = {name: self.strength * self.noise[name] for name in ("rate", "upper")}
        by_class = [self.strength * rate for rate in self.noise.get("class_rates", ())]
        return {**rates, "class_rates": by_class}

    def facts(self) -> dict[str, Any]:
        """Return the rates, for the record."""
        names = ("rate", "lower", "upper")
        known = {f"noise_{name}": self.noise.get(name) for name in names}
        strength = None if self.confusion is None else self.strength
        own = {"confusion_rate": self.confusion_rate, "contradicts": self.contradicts}
        return {**known, **own, "strength": strength}
