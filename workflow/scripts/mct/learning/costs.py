"""What a net costs for a picture, counted without computing: on torch's device without memory."""

import contextlib
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mct.learning.classifier import classifier_layer

CLASSES = 1000
"""Classes of the nets whose costs are planned with."""
TRIED = (8, 16, 24, 32, 33, 40, 48, 64, 65, 80, 96, 112, 128, 129, 160, 192, 224, 240, 256, 288, 299,
         320, 336, 384, 448, 512)  # fmt: skip
"""Sizes in pixels, in which the smallest that a net takes is looked for."""
REFUSED = (RuntimeError, ValueError, AssertionError, IndexError, ZeroDivisionError, TypeError)
"""What nets raise for pictures that are too small for them, or not of the only size that they take."""
Build = Callable[[int], nn.Module]


class NetCosts(NamedTuple):
    """Parameters; multiply-adds and outputs of all layers for a picture; inputs of the classifier."""

    parameters: int
    multiply_adds: int
    activations: int
    features: int


def sketch(build: Build, classes: int = CLASSES) -> nn.Module:
    """Return a net that takes no memory, in training."""
    with contextlib.suppress(NotImplementedError, RuntimeError), torch.device("meta"):
        return build(classes).train()
    return build(classes).to("meta").train()  # some compute with their weights when they are built


def takes(net: nn.Module, size: int, samples: int = 1) -> bool:
    """Return whether a net of `sketch` can learn from so many pictures of a size at once."""
    try:
        with torch.no_grad():
            return net(torch.empty(samples, 3, size, size, device="meta")).shape == (
                samples,
                CLASSES,
            )
    except REFUSED:
        return False


def sizes_taken(net: nn.Module, size: int) -> list[int]:
    """Return the sizes from which a net of `sketch` can learn, of those that are tried and this one.

    From one picture, or from two if it has a norm that no picture alone passes, whatever its size.
    """
    found: list[int] = []
    for samples in (1, 2):
        found = found or [each for each in sorted({*TRIED, size}) if takes(net, each, samples)]
    return found


def count_costs(net: nn.Module, size: int) -> NetCosts:
    """Return what a net of `sketch` costs for a picture of `size` pixels."""
    outputs, net = 0, net.eval()

    def count(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        nonlocal outputs
        outputs += output.numel() if isinstance(output, Tensor) else 0

    hooks = [
        layer.register_forward_hook(count) for layer in net.modules() if not any(layer.children())
    ]
    with FlopCounterMode(display=False) as flops:
        net(torch.empty(1, 3, size, size, device="meta"))
    for hook in hooks:
        hook.remove()
    parameters = sum(parameter.numel() for parameter in net.parameters())
    features = classifier_layer(net).weight.shape[1]
    return NetCosts(parameters, flops.get_total_flops() // 2, outputs, features)
