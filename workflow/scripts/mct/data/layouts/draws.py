"""Sets that a data set does not bring: drawn by seed, the same whatever order lists have."""

from collections.abc import Collection

import numpy as np

from mct.base.errors import UserError

CLEAN_STREAM, VALIDATION_STREAM = 1, 2


def choose(keys: Collection[str], fraction: float, seed: int, stream: int) -> set[str]:
    """Return a random share of keys, rounded; which ones depends on seed and keys alone."""
    ordered = sorted(keys)
    order = np.random.default_rng([seed, stream]).permutation(len(ordered))
    return {ordered[place] for place in order[: round(len(ordered) * fraction)]}


def name_share(share: float, of: str) -> str:
    """Return what `choose` takes in words: `all of the ...`, or `3 % of the ..., drawn by seed`."""
    return f"all of {of}" if share == 1 else f"{100 * share:.3g} % of {of}, drawn by seed"


def halve(keys: Collection[str], seed: int) -> tuple[set[str], set[str]]:
    """Return random halves, for validation and test; the latter has the odd one."""
    count = len(keys) // 2
    validation = choose(keys, count / max(len(keys), 1), seed, VALIDATION_STREAM)
    return validation, set(keys) - validation


def divide_held_out(
    keys: Collection[str], clean_fraction: float, seed: int
) -> tuple[set[str], set[str], set[str]]:
    """Return clean, validation and test keys: a share, and halves of the rest; UserError for an empty set."""
    clean = choose(keys, clean_fraction, seed, CLEAN_STREAM)
    validation, test = halve(set(keys) - clean, seed)
    if not (clean and validation and test):
        raise UserError(
            f"dataset.clean_fraction: {clean_fraction} of {len(keys)} held-out pictures leaves a "
            "set without any; expected some for clean, validation and test; set another share"
        )
    return clean, validation, test


def held_out_sizes(count: int, clean_fraction: float) -> dict[str, int]:
    """Return the sizes of the sets that `divide_held_out` makes of `count` keys."""
    clean = round(count * clean_fraction)
    return {"clean": clean, **halved_sizes(count - clean)}


def halved_sizes(count: int) -> dict[str, int]:
    """Return the sizes of the sets that `halve` makes of `count` keys."""
    return {"validation": count // 2, "test": count - count // 2}
