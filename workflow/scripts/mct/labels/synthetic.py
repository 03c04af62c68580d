"""Synthetic noise: wrong labels drawn by seed from true ones.

Most kinds draw them by a confusion matrix T[i, j] = P(observed j | true i). Noise that depends on the
picture (Xia et al., NeurIPS 2020, Algorithm 2) has none: each picture has a rate of its own at which
its label is wrong, and which wrong label it gets depends on its pixels.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mct.base.errors import UserError
from mct.base.texts import read_cells
from mct.labels.confusions import symmetric_matrix
from mct.labels.settings import NoiseSettings

FLIP_SPREAD = 0.1
"""Standard deviation of the pictures' rates, before they are truncated."""
SIDE = 8
"""Pixels of the small picture whose values are the features."""
BLOCK = 1 << 12
"""Pictures whose features are in memory at a time."""
Features = Callable[[NDArray[np.intp]], NDArray[np.floating]]
RATE_STREAM, WEIGHT_STREAM, LABEL_STREAM = 1, 2, 3


def synthetic_labels(
    true: NDArray[np.integer],
    settings: NoiseSettings,
    classes: int,
    seed: int,
    features: Features | None = None,
) -> NDArray[np.int64]:
    """Return observed labels, shape (n,), made from true ones (n,) by noise that `check_noise` accepts.

    `instance_dependent` noise alone needs `features`, see `instance_labels`.
    """
    if settings.kind != "instance_dependent":
        return corrupt_labels(true, synthetic_matrix(settings, classes, seed), seed)
    assert settings.rate is not None and features is not None
    return instance_labels(true, features, settings.rate, classes, seed)


def check_noise(settings: NoiseSettings, classes: int) -> None:
    """Raise UserError unless noise is defined by what its kind needs, and its matrix can be read."""
    kind, rate, matrix = settings.kind, settings.rate, settings.matrix
    if kind == "none":
        return
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
    if matrix is not None:
        read_matrix(Path(matrix), classes)


def synthetic_matrix(settings: NoiseSettings, classes: int, seed: int) -> NDArray[np.float64]:
    """Return T, shape (K, K), of a kind of noise that has one."""
    kind, rate = settings.kind, settings.rate
    if settings.matrix is not None:
        return read_matrix(Path(settings.matrix), classes)
    assert rate is not None
    if kind == "class_dependent":
        return class_dependent_matrix(classes, rate, seed)
    return (symmetric_matrix if kind == "symmetric" else asymmetric_matrix)(classes, rate)


def class_dependent_matrix(classes: int, rate: float, seed: int) -> NDArray[np.float64]:
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


def asymmetric_matrix(classes: int, rate: float) -> NDArray[np.float64]:
    """Return T, shape (K, K), in which wrong labels fall on the next class, the last's on the first."""
    return (1 - rate) * np.eye(classes) + rate * np.roll(np.eye(classes), 1, axis=1)


def read_matrix(path: Path, classes: int) -> NDArray[np.float64]:
    """Return T, (K, K), from a CSV file; # begins comments. UserError unless its rows are probabilities."""
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


def instance_labels(
    true: NDArray[np.integer], features: Features, rate: float, classes: int, seed: int
) -> NDArray[np.int64]:
    """Return observed labels, shape (n,), of which a share `rate` is wrong in the mean.

    `true` are integers of shape (n,). `features` returns the features, shape (m, S), of the
    pictures at m positions; it is called once for each picture, for a block of one class at a time.
    """
    rates = flip_rates(rate, len(true), seed)
    draws = np.random.default_rng([seed, len(true), LABEL_STREAM]).random(len(true))
    observed = np.empty(len(true), np.int64)
    for label in np.unique(true):
        members = np.flatnonzero(true == label)
        for start in range(0, len(members), BLOCK):
            block = members[start : start + BLOCK]
            seen = features(block)
            chances = label_probabilities(seen, rates[block], int(label), classes, seed)
            edges = chances.cumsum(axis=1)
            edges[:, -1] = 1.0
            observed[block] = (draws[block, None] >= edges).sum(axis=1)
    return observed


def flip_rates(rate: float, samples: int, seed: int) -> NDArray[np.float64]:
    """Return each picture's probability of a wrong label, shape (n,): truncated normal, mean `rate`.

    Truncated alike on both sides, where the paper truncates to [0, 1] and so misses the mean.
    """
    from scipy.stats import truncnorm  # slow to import, and not needed for a plan

    limit = min(rate, 1 - rate) / FLIP_SPREAD
    if not limit:
        return np.full(samples, rate)
    generator = np.random.default_rng([seed, samples, RATE_STREAM])
    drawn = truncnorm.rvs(-limit, limit, size=samples, random_state=generator)
    return rate + FLIP_SPREAD * drawn


def label_probabilities(
    features: NDArray[np.floating], rates: NDArray[np.floating], label: int, classes: int, seed: int
) -> NDArray[np.float64]:
    """Return P(observed label | picture), shape (m, K), of pictures of one class.

    A picture x with rate q has its true label with probability 1 - q, and the others in the shares
    softmax(x w) without the true one, where w, shape (S, K), is drawn for the class from a normal
    distribution. `features` and `rates` have shapes (m, S) and (m,).
    """
    from scipy.special import softmax  # slow to import, and not needed for a plan

    generator = np.random.default_rng([seed, label, WEIGHT_STREAM])
    logits = features @ generator.standard_normal((features.shape[1], classes))
    logits[:, label] = -np.inf
    probabilities = rates[:, None] * softmax(logits, axis=1)
    probabilities[:, label] = 1 - rates
    return probabilities


def picture_features(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return a picture (h, w, 3) at 8 x 8 as features (S,): mean 0, variance 1; all 0 for one colour."""
    small = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BOX)
    pixels = np.asarray(small, np.float64).reshape(-1)
    spread = pixels.std()
    return (pixels - pixels.mean()) / spread if spread else np.zeros_like(pixels)
