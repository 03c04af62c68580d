"""Print what a plan has to know of a net of torchvision or timm, as JSON: its costs and its weights.

`--size` is that of the pictures; 0 is the one that the net's own weights were trained with, if there are
any. Exit code 2 and a line where no library has the net, or it does not take such pictures.
"""

import json
import logging
from functools import partial
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mct.base.architectures import Norms
from mct.base.errors import UserError
from mct.learning.classifier import classifier_layer
from mct.learning.costs import CLASSES, count_costs, sizes_taken, sketch, takes
from mct.learning.hubs import build_net, find_net, pretrained_of
from mct.learning.last_norms import zero_last_norms
from mct.stage import entry


def main() -> None:
    arguments = entry.options(__doc__, name=str, size=int)
    logging.disable(logging.WARNING)  # of timm, on weights that it does not load
    print(json.dumps(describe(arguments.name, arguments.size)))


def describe(name: str, size: int) -> dict[str, Any]:
    """Return library, name and weights of a net, and what it costs where a size is known."""
    net = find_net(name)
    weights = pretrained_of(net)
    facts: dict[str, Any] = {"library": net.library, "name": net.name}
    facts |= {"pretrained": weights and weights._asdict()}
    size = size or (weights.size if weights else 0)
    return {**facts, "size": size, **costs(name, size)} if size else facts


def costs(name: str, size: int) -> dict[str, Any]:
    """Return costs and norms of a net; UserError where it does not learn from pictures of that size."""
    net = sketch(partial(build_net, name))
    if classifier_layer(net).weight.shape[0] != CLASSES:
        raise UserError(f"model.name: {name} has no classifier; take another net")
    if not takes(net, size) and size not in (taken := sizes_taken(net, size)):
        raise UserError(f"images.size: {refusal(name, size, taken)}")
    return {**count_costs(net, size)._asdict(), "norms": norms_of(net)._asdict()}


def norms_of(net: nn.Module) -> Norms:
    """Return what norms a net has; sets the last norm of each residual block to zero."""
    has_batch = any(isinstance(module, _BatchNorm) for module in net.modules())
    return Norms(batch=has_batch, last=zero_last_norms(net) > 0)


def refusal(name: str, size: int, taken: list[int]) -> str:
    """Return why a size is refused, by those that a net takes."""
    if not taken:
        return f"{name} takes no pictures of {size} pixels"
    if size < taken[0] and len(taken) > 1:
        return f"{name} needs at least {taken[0]} pixels, got {size}; take larger pictures"
    near = sorted(taken, key=lambda other: abs(other - size))[:3]
    known = ", ".join(map(str, sorted(near)))
    return f"{name} takes only pictures of certain sizes, got {size}; take one of {known}"


if __name__ == "__main__":
    entry.run(main)
