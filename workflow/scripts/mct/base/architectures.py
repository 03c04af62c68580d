"""Architectures by name, for plans too: nothing here imports torch or a module that builds a net.

Other nets are those of torchvision and timm; `describe_net.py` finds out what a plan has to know of them.
"""

from typing import NamedTuple

from mct.base.errors import UserError

HUBS = "mct.learning.hubs:build_net"
"""What builds a net of torchvision or timm, from its name and the number of classes."""
IMAGENET = "imagenet"
"""The word of `model.initial_weights` for the weights that the net's library has for it."""


class Pretrained(NamedTuple):
    """How pictures were shown to a net whose weights a library has; `tag` names the weights."""

    tag: str
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: int


class Norms(NamedTuple):
    """Whether a net has batch norms, and residual blocks whose last norm is known."""

    batch: bool
    last: bool


class Architecture(NamedTuple):
    """The smallest pictures, in pixels, and the function that builds it, as `module:function`.

    Without a builder it is one of `mct.learning.models`, else torchvision's of that name.
    `pretrained` tells of the weights that torchvision has for it. Without `norms` the plan does not
    know of them, and checks nothing that depends on them.
    """

    smallest: int
    builder: str = ""
    pretrained: Pretrained | None = None
    norms: Norms | None = None


def _imagenet(tag: str) -> Pretrained:
    return Pretrained(tag, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 1000)


PLAIN, RESIDUAL = Norms(batch=True, last=False), Norms(batch=True, last=True)
ARCHITECTURES = {
    "small_cnn": Architecture(8, norms=PLAIN),
    "cifar_resnet18": Architecture(16, norms=RESIDUAL),
    "cifar_resnet34": Architecture(16, norms=RESIDUAL),
    "alexnet": Architecture(
        64, pretrained=_imagenet("IMAGENET1K_V1"), norms=Norms(batch=False, last=False)
    ),
    "resnet18": Architecture(33, pretrained=_imagenet("IMAGENET1K_V1"), norms=RESIDUAL),
    "resnet34": Architecture(33, pretrained=_imagenet("IMAGENET1K_V1"), norms=RESIDUAL),
    "resnet50": Architecture(33, pretrained=_imagenet("IMAGENET1K_V2"), norms=RESIDUAL),
}
"""Below its smallest size a ResNet's last stage is one pixel, which batch norm refuses for one sample."""


def builder_of(name: str) -> str:
    """Return the function that builds a net, as `module:function`; empty for `mct.learning.models`."""
    return ARCHITECTURES[name].builder if name in ARCHITECTURES else HUBS


def lacks_last_norms(name: str) -> str:
    """Return the line about a net that has no residual blocks which could start as the identity."""
    return (
        f"model.zero_last_norms: {name} has no residual blocks with a known last norm; take a ResNet, or "
        "set it to false"
    )


def check_input_size(name: str, size: int, key: str) -> None:
    """Raise UserError where pictures of `size` pixels, by that key, are too small for a model.

    Sizes of other nets are tried when the plan finds out what they cost.
    """
    if name not in ARCHITECTURES:
        return
    smallest = ARCHITECTURES[name].smallest
    if size < smallest:
        raise UserError(
            f"{key}: {name} needs at least {smallest} pixels, got {size}; take small_cnn or larger "
            "pictures"
        )
