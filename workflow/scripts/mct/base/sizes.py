"""Which pictures are large enough for which model."""

from mct.base.errors import UserError

SMALLEST_INPUT = {
    "small_cnn": 8, "cifar_resnet18": 16, "cifar_resnet34": 16,
    "alexnet": 64, "resnet18": 33, "resnet34": 33, "resnet50": 33,
}  # fmt: skip
"""Below this a ResNet's last stage is one pixel, which batch norm refuses for a single sample."""


def check_input_size(name: str, size: int, key: str) -> None:
    """Raise UserError where pictures of `size` pixels, by that key, are too small for a model."""
    smallest = SMALLEST_INPUT[name]
    if size < smallest:
        raise UserError(
            f"{key}: {name} needs at least {smallest} pixels, got {size}; take small_cnn or larger "
            "pictures"
        )
