"""Wrong labels: how often they are wrong (estimated), and making some (synthetic)."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mct.base.errors import UserError
from mct.base.texts import read_cells
from mct.labels.settings import NoiseSettings


@dataclass(frozen=True, kw_only=True)
class NoiseRate:
    """P, the share of wrong labels in the noisy set, overall and per observed class.

    `lower` and `upper` are Wilson's 95 % interval; Ma's cut M uses `upper`. Both equal `rate` where
    P was given and not counted. `matrix` is `count_matrix`'s T where both labels of some pictures
    are known, else None.
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

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for a JSON file."""
        return asdict(self)


def wilson_interval(wrong: int, samples: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share (Wilson, 1927); (0, 1) without samples."""
    if samples == 0:
        return 0.0, 1.0
    from scipy.stats import binomtest  # slow to import, and not needed for a plan

    interval = binomtest(wrong, samples).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def given_rate(rate: float, classes: int) -> NoiseRate:
    """Return the noise rate that the configuration states."""
    return NoiseRate(
        method="given",
        rate=rate,
        lower=rate,
        upper=rate,
        class_rates=[rate] * classes,
        class_lowers=[rate] * classes,
        class_uppers=[rate] * classes,
        samples=0,
        class_samples=[0] * classes,
    )


def count_rate(observed: NDArray[np.integer], wrong: NDArray[np.bool_], classes: int) -> NoiseRate:
    """Count P on pictures with observed labels (n,) that are known to be right or wrong (n,).

    A class that nobody observed among them gets the overall rate and interval.
    """
    class_samples = np.bincount(observed, minlength=classes).tolist()
    class_wrong = np.bincount(observed, weights=wrong, minlength=classes)
    overall = _share(int(wrong.sum()), len(wrong))
    by_class = [
        _share(int(count), samples) if samples else overall
        for count, samples in zip(class_wrong, class_samples, strict=True)
    ]
    rates, lowers, uppers = (list(column) for column in zip(*by_class, strict=True))
    return NoiseRate(
        method="counted",
        rate=overall[0],
        lower=overall[1],
        upper=overall[2],
        class_rates=rates,
        class_lowers=lowers,
        class_uppers=uppers,
        samples=len(wrong),
        class_samples=class_samples,
    )


def _share(wrong: int, samples: int) -> tuple[float, float, float]:
    """Return a share and its interval; 0 without samples."""
    return (wrong / samples if samples else 0.0, *wilson_interval(wrong, samples))


def count_matrix(
    observed: NDArray[np.integer], true: NDArray[np.integer], classes: int, rate: float
) -> NDArray[np.float64]:
    """Count T[i, j] = P(observed j | true i), shape (K, K), on pictures with both labels, (n,).

    One more picture is spread over each row as symmetric noise of `rate` would: a class of which
    there is no picture gets that alone, and no label is impossible.
    """
    counts = np.bincount(true * classes + observed, minlength=classes**2).reshape(classes, classes)
    smoothed = counts + (symmetric_matrix(classes, rate) if classes > 1 else np.ones((1, 1)))
    return smoothed / smoothed.sum(axis=1, keepdims=True)


def confusion_matrix(classes: int, rate: float, seed: int) -> NDArray[np.float64]:
    """Draw a class-dependent confusion T[i, j] = P(observed j | true i), shape (K, K).

    Some classes are mislabelled more than others, up to half of the mean `rate` (less where that
    would pass 1), and each class's wrong labels fall on few others, as people's mistakes do.
    """
    generator = np.random.default_rng([seed, classes])
    spread = min(rate, 1 - rate) / 2 if rate > 0.5 else rate / 2
    rates = generator.permutation(rate + spread * np.linspace(-1, 1, classes))
    matrix = np.diag(1 - rates)
    for row in range(classes):
        others = np.delete(np.arange(classes), row)
        matrix[row, others] = rates[row] * generator.dirichlet(np.full(classes - 1, 0.5))
    return matrix


def symmetric_matrix(classes: int, rate: float) -> NDArray[np.float64]:
    """Return T, shape (K, K), in which wrong labels fall on all other classes alike."""
    matrix = np.full((classes, classes), rate / (classes - 1))
    np.fill_diagonal(matrix, 1 - rate)
    return matrix


def asymmetric_matrix(classes: int, rate: float) -> NDArray[np.float64]:
    """Return T, shape (K, K), in which wrong labels fall on the next class, the last's on the first."""
    return (1 - rate) * np.eye(classes) + rate * np.roll(np.eye(classes), 1, axis=1)


def read_matrix(path: Path, classes: int) -> NDArray[np.float64]:
    """Return T, shape (K, K), from a CSV file; lines that begin with # are comments.

    Raises
    ------
    UserError
        No numbers, another shape, probabilities outside 0 to 1, rows that do not sum to 1.
    """
    try:
        matrix = np.array([_row_numbers(cells) for _, cells in read_cells(path)], float, ndmin=2)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{path}: cannot be read as a CSV file of numbers: {error}") from error
    if matrix.shape != (classes, classes):
        shape = " x ".join(map(str, matrix.shape))
        raise UserError(f"{path}: expected {classes} x {classes} probabilities, got {shape}")
    if not ((matrix >= 0) & (matrix <= 1)).all():
        raise UserError(f"{path}: expected probabilities from 0 to 1")
    wrong = np.flatnonzero(abs(matrix.sum(axis=1) - 1) > 1e-6)
    if len(wrong):
        total = matrix[wrong[0]].sum()
        raise UserError(f"{path}, row {wrong[0] + 1}: expected a sum of 1, got {total:g}")
    return matrix


def _row_numbers(cells: list[str]) -> list[float]:
    """Return the numbers of a row, with points or commas, without empty cells at its end."""
    while cells and not cells[-1].strip():
        cells.pop()
    return [float(cell.strip().replace(",", ".")) for cell in cells]


def check_synthetic(settings: NoiseSettings, classes: int) -> None:
    """Raise UserError unless noise that is not `none` is defined by what its kind needs."""
    kind, rate, matrix = settings.kind, settings.rate, settings.matrix
    if classes < 2:
        raise UserError(f"dataset.synthetic_noise: expected two classes or more, got {classes}")
    if kind in ("symmetric", "instance_dependent") and matrix is not None:
        raise UserError(
            f"dataset.synthetic_noise.matrix: `{kind}` is defined by a rate, not by this"
        )
    if (rate is None) == (matrix is None):
        raise UserError(
            f"dataset.synthetic_noise: {kind} needs either a rate or a matrix, got "
            + ("neither" if rate is None else "both")
        )


def synthetic_matrix(settings: NoiseSettings, classes: int, seed: int) -> NDArray[np.float64]:
    """Return T, shape (K, K), of a kind of noise that has one; UserError if it is not defined."""
    check_synthetic(settings, classes)
    kind, rate = settings.kind, settings.rate
    if settings.matrix is not None:
        return read_matrix(Path(settings.matrix), classes)
    assert rate is not None
    if kind == "class_dependent":
        return confusion_matrix(classes, rate, seed)
    return (symmetric_matrix if kind == "symmetric" else asymmetric_matrix)(classes, rate)


def corrupt_labels(
    labels: NDArray[np.integer], matrix: NDArray[np.float64], seed: int
) -> NDArray[np.int64]:
    """Draw observed labels, shape (n,), from true ones by the rows of a confusion matrix."""
    draws = np.random.default_rng([seed, len(labels)]).random(len(labels))
    edges = matrix.cumsum(axis=1)
    edges[:, -1] = 1.0
    observed = np.empty(len(labels), np.int64)
    for label, row in enumerate(edges):
        members = labels == label
        observed[members] = np.searchsorted(row, draws[members], side="right")
    return observed


def synthetic_labels(
    true: NDArray[np.integer], settings: NoiseSettings, classes: int, seed: int
) -> NDArray[np.int64]:
    """Return observed labels, shape (n,), made from true ones by noise that has a matrix."""
    return corrupt_labels(true, synthetic_matrix(settings, classes, seed), seed)
