"""What a model sees before its classifier."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from mct.compute import Compute
from mct.metrics import predict
from mct.settings import ImageSettings


def extract_features(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    compute: Compute,
    settings: ImageSettings,
) -> NDArray[np.float32]:
    """Return the inputs of a model's last linear layer for a set, shape (n, d)."""
    kept: list[NDArray[np.float32]] = []
    classifier = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    hook = classifier.register_forward_pre_hook(
        lambda _, inputs: kept.append(inputs[0].float().cpu().numpy())
    )
    try:
        predict(model, batches, compute, settings)
    finally:
        hook.remove()
    return np.concatenate(kept)
