r"""How far the two model-based noise rates are from the truth, on made data where it is known.

Labels and predictions depend on the true class alone, as solving assumes, each by a seeded confusion.
Needs a minute.

python -m benchmarks.noise_estimators.compare_noise_estimators \
    --output benchmarks/noise_estimators/noise_estimators
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks.shared.conditions import describe_conditions
from mct.labels.confusions import count_confusion
from mct.labels.estimators import confident_joint, solve_joint
from mct.labels.synthetic import class_dependent_matrix, corrupt_labels
from mct.results.tables import Row, write_table

RATE, SEEDS = 0.4, 5
CASES = [
    # classes, accuracy of the model, validation pictures, noisy pictures
    (10, 0.9, 180, 1000),
    (10, 0.5, 2500, 20_000),
    (10, 0.5, 2500, 42_500),
    (14, 0.7, 14_000, 20_000),
    (101, 0.6, 4700, 20_000),
    (101, 0.6, 4700, 200_000),
]


def model_outputs(true: np.ndarray, mistakes: np.ndarray, seed: int) -> np.ndarray:
    """Return probabilities (n, K): 0.6 on a class drawn by the rows of `mistakes`, 0.4 on all."""
    predicted = corrupt_labels(true, mistakes, seed)
    classes = len(mistakes)
    return 0.6 * np.eye(classes, dtype=np.float32)[predicted] + np.float32(0.4 / classes)


def solve_unbounded(
    held_out: np.ndarray, predicted: np.ndarray, observed: np.ndarray
) -> np.ndarray:
    """Return what `solve_joint` would be without J >= 0: plain least squares."""
    rates = held_out / held_out.sum(axis=1, keepdims=True)
    shares = count_confusion(observed, predicted, len(held_out)) / len(observed)
    return np.linalg.lstsq(rates.T, shares, rcond=None)[0]


def errors(classes: int, accuracy: float, held: int, noisy: int, seed: int) -> list[float]:
    """Return by how much each estimate of P misses it."""
    generator = np.random.default_rng(seed)
    true, held_true = generator.integers(0, classes, noisy), generator.integers(0, classes, held)
    observed = corrupt_labels(true, class_dependent_matrix(classes, RATE, seed), seed + 1)
    mistakes = class_dependent_matrix(classes, 1 - accuracy, seed + 100)
    probabilities = model_outputs(true, mistakes, seed + 2)
    held_out = model_outputs(held_true, mistakes, seed + 3).argmax(axis=1)
    counts = count_confusion(held_out, held_true, classes)
    truth = (observed != true).mean()
    predicted = probabilities.argmax(axis=1)
    joints = [solve(counts, predicted, observed) for solve in (solve_joint, solve_unbounded)]
    joints.append(confident_joint(probabilities, observed))
    return [float(1 - np.trace(joint) / joint.sum() - truth) for joint in joints]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="results, without ending")
    options = parser.parse_args()
    measured = (
        f"Estimated less true P in points, {100 * RATE:.0f} % of the labels wrong: mean and standard "
        f"deviation of {SEEDS} seeds."
    )
    rows = [row(case) for case in CASES]
    write_table(rows, options.output.with_suffix(".tsv"), describe_conditions(measured))


def row(case: tuple[int, float, int, int]) -> Row:
    """Return the row of a case: its sizes, and how far each estimate is off."""
    found = 100 * np.array([errors(*case, seed) for seed in range(SEEDS)])
    off = [
        f"{mean:+.1f} ± {spread:.1f}"
        for mean, spread in zip(found.mean(axis=0), found.std(axis=0, ddof=1), strict=True)
    ]
    columns = ("classes", "accuracy_of_Ma", "validation", "noisy",
               "solved", "without_J>=0", "confident_joint")  # fmt: skip
    return dict(zip(columns, [*map(str, case), *off], strict=True))


if __name__ == "__main__":
    main()
