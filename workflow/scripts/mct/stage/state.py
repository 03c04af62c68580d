"""What a checkpoint keeps of a model."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class State:
    """Arrays by name: `shared` are equal on all ranks of a model, `local` are each rank's own."""

    shared: Arrays = field(default_factory=dict)
    local: Arrays = field(default_factory=dict)

    def __or__(self, other: "State") -> "State":
        """Return the arrays of both."""
        return State({**self.shared, **other.shared}, {**self.local, **other.local})

    def is_finite(self) -> bool:
        """Return whether all its numbers are finite."""
        arrays = (*self.shared.values(), *self.local.values())
        return all(bool(np.isfinite(values).all()) for values in arrays)
