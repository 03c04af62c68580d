"""Keys of synthetic noise."""

from typing import Annotated, Literal

from mct.base.keys import ProperShare, Settings, unit


class NoiseSettings(Settings, frozen=True, kw_only=True):
    """Wrong labels made from true ones: by a rate or by a matrix."""

    kind: Literal["none", "symmetric", "asymmetric", "class_dependent", "instance_dependent"] = (
        "none"
    )
    """`none`; `symmetric` (all other classes alike); `asymmetric` (to the next class, or by the
    matrix); `class_dependent` (a seeded confusion, or by the matrix); `instance_dependent` (other
    rates and other wrong labels for other pictures of a class; reads all noisy pictures).
    """
    rate: Annotated[ProperShare | None, unit("fraction")] = None
    """Mean share of wrong labels; null where a matrix is given."""
    matrix: str | None = None
    """CSV file of K x K probabilities of the observed class (column) given the true one (row); null
    where a rate is given.
    """
