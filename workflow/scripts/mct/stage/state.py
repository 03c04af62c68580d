"""What a checkpoint keeps of a model."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class State:
    """Arrays by name: `shared` are equal on all ranks of a model, `local` are each rank's own.

    `apart` are each rank's own too, and as large as a model: what is shared unless ranks update alone.
    """

    shared: Arrays = field(default_factory=dict)
    local: Arrays = field(default_factory=dict)
    apart: Arrays = field(default_factory=dict)

    def __or__(self, other: "State") -> "State":
        """Return the arrays of both."""
        return State(
            {**self.shared, **other.shared},
            {**self.local, **other.local},
            {**self.apart, **other.apart},
        )

    def set_apart(self) -> "State":
        """Return the state of a rank whose model differs from other ranks' models."""
        return State({}, self.local, {**self.shared, **self.apart})

    def is_finite(self) -> bool:
        """Return whether all its numbers are finite."""
        arrays = (*self.shared.values(), *self.local.values(), *self.apart.values())
        return all(bool(np.isfinite(values).all()) for values in arrays)
