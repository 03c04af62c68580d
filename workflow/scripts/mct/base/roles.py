"""The two models of a pair, and what each draws its random numbers from."""

from enum import StrEnum


class Role(StrEnum):
    """A model of the pair; its value is its name in files, paths and options."""

    AUXILIARY = "auxiliary"
    PRIMARY = "primary"

    @property
    def place(self) -> int:
        """Its place on an axis of (Ma, Mp)."""
        return ROLES.index(self)

    @property
    def symbol(self) -> str:
        """What the paper calls it."""
        return ("Ma", "Mp")[self.place]

    @property
    def partner(self) -> "Role":
        """The other model."""
        return ROLES[1 - self.place]


ROLES = tuple(Role)
PAIR = "pair"
"""Both together, where the mean of their predictions is evaluated."""
REFERENCE = "mct"
"""The method that others are compared with: its Mp and its compute set the equal terms."""
CLEAN_SEEDS = 2**34
"""Beyond every `order_seed`."""
PART_SEEDS = 2**37
"""Beyond every `clean_seed`."""


def model_seed(seed: int, role: str) -> int:
    """Return the seed of a model's random start; Ma's differs from Mp's, baselines start like Mp."""
    return 2 * seed + Role(role).place


def order_seed(seed: int, stage: int, part: int = 0) -> int:
    """Return the seed of order and augmentation in stage 1 (also of baselines) or stage 2.

    A training that is one of several in a row is a `part` of them, from 1.
    """
    return PART_SEEDS * part + 2 * seed + stage - 1


def clean_seed(seed: int, stage: int, role: str, part: int = 0) -> int:
    """Return the seed of order and augmentation of clean samples in the batches of a model."""
    return CLEAN_SEEDS * (1 + Role(role).place) + order_seed(seed, stage, part)
