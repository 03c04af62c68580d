"""How often labels are wrong: a rate that is given, or counted with its interval."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class NoiseRate:
    """P, the share of wrong labels in the noisy set, overall and per observed class.

    `lower` and `upper` are the 95 % interval (Wilson's, where P was counted). Both equal `rate` where
    P was given and not counted. `matrix` is the counted confusion T where both labels of some
    pictures are known, `matrix_samples` of them, else None.
    """

    method: str
    rate: float
    lower: float
    upper: float
    class_rates: list[float]
    class_lowers: list[float]
    class_uppers: list[float]
    samples: int
    class_samples: list[int]
    matrix: list[list[float]] | None = None
    matrix_samples: int = 0


def wilson_interval(wrong: int, samples: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share (Wilson, 1927); (0, 1) without samples."""
    if samples == 0:
        return 0.0, 1.0
    from scipy.stats import binomtest  # slow to import, and not needed for a plan

    interval = binomtest(wrong, samples).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def given_rate(rate: float, classes: int) -> NoiseRate:
    """Return the noise rate that the configuration states."""
    rates = [rate] * classes
    return NoiseRate(
        method="given", rate=rate, lower=rate, upper=rate, class_rates=rates, class_lowers=rates,
        class_uppers=rates, samples=0, class_samples=[0] * classes,
    )  # fmt: skip


def count_rate(observed: NDArray[np.integer], wrong: NDArray[np.bool_], classes: int) -> NoiseRate:
    """Count P on pictures with observed labels (n,) that are known to be right or wrong (n,).

    A class that nobody observed among them gets the overall rate and interval.
    """
    class_samples = np.bincount(observed, minlength=classes).tolist()
    class_wrong = np.bincount(observed, weights=wrong, minlength=classes)
    rate, lower, upper = overall = _share(int(wrong.sum()), len(wrong))
    by_class = [
        _share(int(count), samples) if samples else overall
        for count, samples in zip(class_wrong, class_samples, strict=True)
    ]
    rates, lowers, uppers = (list(column) for column in zip(*by_class, strict=True))
    return NoiseRate(
        method="counted",
        rate=rate, lower=lower, upper=upper,
        class_rates=rates, class_lowers=lowers, class_uppers=uppers,
        samples=len(wrong), class_samples=class_samples,
    )  # fmt: skip


def _share(wrong: int, samples: int) -> tuple[float, float, float]:
    """Return a share and its interval; 0 without samples."""
    return (wrong / samples if samples else 0.0, *wilson_interval(wrong, samples))
