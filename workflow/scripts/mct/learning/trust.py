"""LARS: how far each matrix of weights may be trusted to move, by its size and its gradient's.

You, Gitman, Ginsburg, "Large Batch Training of Convolutional Networks", 2017, equation 6.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mct.parallel.comm import Comm, share_array


def trust_ratios(
    weights: Sequence[Tensor],
    gradients: Sequence[Tensor],
    coefficient: float,
    decay: float,
    comm: Comm | None,
) -> list[float]:
    """Return coefficient |w| / (|g| + decay |w|) of each weight, 1 where w or g is zero.

    Norms are Euclidean. All ranks of `comm` return rank 0's ratios, since sums of many numbers may
    differ in their last bits between ranks. Collective.
    """
    if not weights:
        return []
    sizes = lengths(weights)
    slopes = lengths(gradients)
    with np.errstate(invalid="ignore"):
        ratios = coefficient * sizes / (slopes + decay * sizes)
    ratios[(sizes == 0) | (slopes == 0)] = 1.0
    return (ratios if comm is None else share_array(comm, ratios)).tolist()


def lengths(tensors: Sequence[Tensor]) -> NDArray[np.float64]:
    """Return the Euclidean norm of each tensor."""
    return torch.stack(torch._foreach_norm(list(tensors))).double().cpu().numpy()
