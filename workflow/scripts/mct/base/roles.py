"""The two models of a pair, and what each draws its random numbers from."""

ROLES = ("auxiliary", "primary")
PAIR = "pair"
"""Both together, where the mean of their predictions is evaluated."""
REFERENCE = "mct"
"""The method that others are compared with: its Mp and its compute set the equal terms."""
CLEAN_SEEDS = 2**34
"""Beyond every `order_seed`."""


def model_seed(seed: int, role: str) -> int:
    """Return the seed of a model's random start; Ma's differs from Mp's, baselines start like Mp."""
    return 2 * seed + ROLES.index(role)


def order_seed(seed: int, stage: int) -> int:
    """Return the seed of order and augmentation in stage 1 (also of baselines) or stage 2."""
    return 2 * seed + stage - 1


def clean_seed(seed: int, stage: int, role: str) -> int:
    """Return the seed of order and augmentation of clean samples in the batches of a model."""
    return CLEAN_SEEDS * (1 + ROLES.index(role)) + order_seed(seed, stage)
