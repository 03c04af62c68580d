"""What is known of wrong labels before a calibration: P, and the confusion of labels that fits it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mct.base.files import read_json
from mct.calibration.settings import CalibrationSettings
from mct.data.imagesets import ImageSet
from mct.labels.agreement import TOLERANCE, agree, implied_rate
from mct.labels.confusions import Matrix, read_confusion


@dataclass(frozen=True)
class Evidence:
    """A noise file's content, and T[i, j] = P(observed j | true i), (K, K), for posterior targets.

    Where the confusion that was found contradicts P's interval, `confusion` is brought to P, and
    `confusion_rate` is the rate that was found; else it is None.
    """

    noise: Mapping[str, Any]
    confusion: Matrix | None = None
    confusion_rate: float | None = None

    @classmethod
    def read(
        cls, noise: Path, confusion: Path, settings: CalibrationSettings, image_set: ImageSet
    ) -> "Evidence":
        """Return what files say of a noisy set; UserError where one does not say it."""
        known = read_json(noise, "rate", "lower", "upper")
        if settings.targets != "posterior":
            return cls(known)
        members = np.bincount(image_set.observed, minlength=image_set.classes)
        return cls.of(known, read_confusion(confusion), members / members.sum())

    @classmethod
    def of(
        cls, noise: Mapping[str, Any], confusion: Matrix, shares: NDArray[np.float64]
    ) -> "Evidence":
        """Return P and a confusion that agrees with it; `shares` (K,) are of observed classes."""
        found = implied_rate(confusion, shares)
        if noise["lower"] - TOLERANCE <= found <= noise["upper"] + TOLERANCE:
            return cls(noise, confusion)
        return cls(noise, agree(confusion, shares, noise["rate"]), found)

    def facts(self) -> dict[str, float | None]:
        """Return the rates, for the record."""
        names = ("rate", "lower", "upper")
        known = {f"noise_{name}": self.noise.get(name) for name in names}
        return {**known, "confusion_rate": self.confusion_rate}
