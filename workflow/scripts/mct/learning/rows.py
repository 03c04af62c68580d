"""Backward over the selected samples of a batch alone.

Where samples do not touch each other, gradients of those that were not selected are zeros, and
convolutions need not multiply them. Batch norm couples samples while it takes its statistics from
them: there every row counts.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode

CONVOLUTION = torch.ops.aten.convolution_backward.default


def keeps_samples_apart(model: nn.Module) -> bool:
    """Return whether the gradient of one sample's loss is zero in all other samples."""
    return not any(isinstance(m, _BatchNorm) and m.training for m in model.modules())


class SelectedRows(TorchDispatchMode):
    """While active, backward of convolutions leaves out samples whose loss was not selected.

    They are those whose `logits`, shape (b, K), get a gradient of zeros. The gradients of
    parameters are the same to rounding.
    """

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self._batch = len(logits)
        self._rows: Tensor | None = None
        logits.register_hook(self._note)

    def _note(self, gradient: Tensor) -> None:
        is_selected = gradient.any(dim=1)
        if not is_selected.all():
            self._rows = is_selected.nonzero()[:, 0]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Run an operation, on fewer rows where that is possible."""
        if func is CONVOLUTION and self._rows is not None and self._has_rows(args[0]):
            return self._convolution(*args)
        return func(*args, **(kwargs or {}))

    def _has_rows(self, gradient: Tensor) -> bool:
        """Return whether a gradient has a row for each sample: (b, c, h, w)."""
        return gradient.dim() == 4 and len(gradient) == self._batch

    def _convolution(self, gradient: Tensor, x: Tensor, *others: Any) -> tuple:
        rows = [self._take(tensor) for tensor in (gradient, x)]
        of_x, of_weight, of_bias = CONVOLUTION(*rows, *others)
        if of_x is not None:
            whole = torch.zeros_like(x)
            channels_last(whole)[self._rows] = channels_last(of_x)
            of_x = whole
        return of_x, of_weight, of_bias

    def _take(self, tensor: Tensor) -> Tensor:
        return channels_last(tensor)[self._rows].permute(0, 3, 1, 2)


def channels_last(tensor: Tensor) -> Tensor:
    """Return a view (b, h, w, c) of a tensor (b, c, h, w): rows of it copy in the order of memory."""
    return tensor.permute(0, 2, 3, 1)
