"""Architectures by name, for plans too: nothing here imports torch or a module that builds a net."""

from typing import NamedTuple

from mct.base.errors import UserError


class Architecture(NamedTuple):
    """The smallest pictures, in pixels, and the function that builds it, as `module:function`.

    Without a builder it is one of `mct.learning.models`, else torchvision's of that name.
    """

    smallest: int
    builder: str = ""


ARCHITECTURES = {
    "small_cnn": Architecture(8),
    "cifar_resnet18": Architecture(16),
    "cifar_resnet34": Architecture(16),
    "alexnet": Architecture(64),
    "resnet18": Architecture(33),
    "resnet34": Architecture(33),
    "resnet50": Architecture(33),
}
"""Below its smallest size a ResNet's last stage is one pixel, which batch norm refuses for one sample."""


def check_input_size(name: str, size: int, key: str) -> None:
    """Raise UserError where pictures of `size` pixels, by that key, are too small for a model."""
    smallest = ARCHITECTURES[name].smallest
    if size < smallest:
        raise UserError(
            f"{key}: {name} needs at least {smallest} pixels, got {size}; take small_cnn or larger "
            "pictures"
        )
