"""Epochs, ranks and a net that fit a data set and a machine: where a new configuration starts."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from mct.command.machine import Machine

SMALL_SIDE = 64
"""Pixels up to which the small net is made for, and to which it is trained where there is no GPU."""
LARGE_SIDE = 224
SAMPLES_WANTED, FEWEST_EPOCHS, MOST_EPOCHS = 400_000, 4, 30
"""What Mp sees before calibration, and again in it, where its epochs stay within these."""
MOST_CLEAN_EPOCHS = 60
SMALLEST_BATCH, LARGEST_BATCH, SAMPLES_A_RANK, MOST_LOCAL_RANKS = 32, 128, 16, 16
GUESSED_RATE = 0.2
ENOUGH = 30
"""Validation pictures of each class: with fewer Ma may never predict one, and nothing is solved."""


class Recipe(NamedTuple):
    """Values of the keys that a new configuration has, apart from its data set's."""

    size: int
    model: str
    initial_weights: str | None
    batch: int
    ranks: int
    epochs_auxiliary: int
    epochs_primary: int
    methods: list[str]
    confusion: str


def choose(
    sizes: Mapping[str, int], side: int, machine: Machine, *, is_counted: bool, shown: int = 0
) -> Recipe:
    """Return a recipe for sets of these sizes and pictures of that size.

    Large pictures need a GPU: without one they are made smaller, and a small net learns them.
    `is_counted` says whether the confusion of labels can be; `shown` are the validation pictures of the
    class that has fewest, on which it can be solved.
    """
    is_large = side > SMALL_SIDE and bool(machine.gpus)
    batch = _batch(sizes["noisy"])
    primary = _within(SAMPLES_WANTED / sizes["noisy"], FEWEST_EPOCHS, MOST_EPOCHS)
    clean = primary * sizes["noisy"] / sizes["clean"]
    confused = ["glc"] if is_counted else []
    return Recipe(
        size=min(side, LARGE_SIDE if is_large else SMALL_SIDE),
        model="resnet50" if is_large else "small_cnn",
        initial_weights="imagenet" if is_large else None,
        batch=batch,
        ranks=_ranks(batch, machine),
        epochs_auxiliary=_within(clean, primary, max(primary, MOST_CLEAN_EPOCHS)),
        epochs_primary=primary,
        methods=["noise_only", "clean_only", *confused, "mct_paper", "mct"],
        confusion="counted" if is_counted else "solved" if shown >= ENOUGH else "estimated",
    )


def _within(value: float, low: float, high: float) -> int:
    return round(min(max(value, low), high))


def _batch(noisy: int) -> int:
    """Return a power of two that makes at least twenty steps of an epoch, within bounds."""
    batch = LARGEST_BATCH
    while batch > SMALLEST_BATCH and noisy < 20 * batch:
        batch //= 2
    return batch


def _ranks(batch: int, machine: Machine) -> int:
    """Return two ranks for each GPU, else as many as cores, even, with enough of a batch for each."""
    units = 2 * len(machine.gpus) or machine.cores
    most = 2 * (batch // SAMPLES_A_RANK)
    return max(2, min(units, most, MOST_LOCAL_RANKS) // 2 * 2)


def written_rate(suggested: Any) -> tuple[Any, str]:
    """Return the noise rate of a configuration and where it comes from."""
    if suggested is None:
        return GUESSED_RATE, "a guess: no picture has both labels; tables/noise.md has estimates"
    if suggested == "counted":
        return suggested, "on pictures whose noisy and true label are known"
    return suggested, "of the synthetic noise"
