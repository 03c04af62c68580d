"""Residual blocks that start as the identity: the scale of their last norm is zero.

Goyal et al., "Accurate, Large Minibatch SGD", 2017, section 5.1.
"""

from torch import nn

from mct.learning.parts import NORMS


def zero_last_norms(model: nn.Module) -> int:
    """Set the scale of the last norm of each residual block to zero, in place; return how many there are.

    They are known in torchvision's ResNets, and in timm's blocks that can do so themselves.
    """
    from torchvision.models.resnet import BasicBlock, Bottleneck  # takes seconds to import

    versions = {scale: scale._version for scale in scales_of(model)}
    for block in model.modules():
        if isinstance(block, BasicBlock | Bottleneck):
            last = block.bn3 if isinstance(block, Bottleneck) else block.bn2
            nn.init.zeros_(last.weight)
        elif hasattr(block, "zero_init_last"):
            block.zero_init_last()  # type: ignore[operator]  # of another layer, or of none, in some blocks of timm
    return sum(scale._version != version for scale, version in versions.items())


def scales_of(model: nn.Module) -> list[nn.Parameter]:
    """Return the scales of all norms that have one."""
    norms = (module for module in model.modules() if isinstance(module, NORMS))
    return [norm.weight for norm in norms if norm.weight is not None]
