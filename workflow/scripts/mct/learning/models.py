"""Architectures by name, their start, and their files."""

import itertools
from dataclasses import replace
from pathlib import Path
from pickle import UnpicklingError

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mct.base.errors import UserError
from mct.base.files import replacing
from mct.base.settings import ModelSettings
from mct.base.sizes import check_input_size

CIFAR_BLOCKS = {"cifar_resnet18": [2, 2, 2, 2], "cifar_resnet34": [3, 4, 6, 3]}


def small_cnn(classes: int, width: int = 1) -> nn.Module:
    """Return a small convolutional net for pictures of 8 to 64 pixels (0.24 M parameters).

    `width` multiplies its channels.
    """
    channels = (3, *(width * count for count in (32, 64, 128, 128)))
    layers: list[nn.Module] = []
    for stage, (inputs, outputs) in enumerate(itertools.pairwise(channels)):
        layers += [
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        ]
        layers += [nn.MaxPool2d(2)] if stage < 2 else []
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels[-1], classes)
    )


def cifar_resnet(blocks: list[int], classes: int) -> nn.Module:
    """Return a ResNet whose stem keeps the resolution, for 32 pixels (He et al., 2016)."""
    from torchvision.models.resnet import BasicBlock, ResNet  # takes seconds to import

    net = ResNet(BasicBlock, blocks, num_classes=classes)
    net.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    net.maxpool = nn.Identity()
    return net


def build_architecture(name: str, classes: int) -> nn.Module:
    """Return a model at its random start: one of ours, else torchvision's of that name."""
    if name == "small_cnn":
        return small_cnn(classes)
    if name in CIFAR_BLOCKS:
        return cifar_resnet(CIFAR_BLOCKS[name], classes)
    from torchvision.models import get_model

    return get_model(name, weights=None, num_classes=classes)


def build_model(settings: ModelSettings, classes: int, image_size: int, seed: int) -> nn.Module:
    """Return a model at its start: random by seed, then `initial_weights` where they are given.

    Raises
    ------
    UserError
        Pictures too small for the architecture, or weights that do not fit it.
    """
    check_input_size(settings.name, image_size, "images.size")
    torch.manual_seed(seed)
    model = build_architecture(settings.name, classes)
    for file in initial_files(settings):
        load_initial_weights(model, file)
    return model


def initial_files(settings: ModelSettings) -> list[Path]:
    """Return the file that a model starts from, if there is one."""
    return [Path(settings.initial_weights)] if settings.initial_weights else []


def load_initial_weights(model: nn.Module, path: Path) -> None:
    """Load weights from a file in place; a classifier of another size keeps its random start."""
    state, own = read_weights(path), model.state_dict()
    unknown = sorted(set(own) ^ set(state))
    if unknown:
        raise UserError(f"{path}: does not fit the architecture, first difference: {unknown[0]}")
    fitting = {name: value for name, value in state.items() if value.shape == own[name].shape}
    others = set(own) - set(fitting)
    classifier = [name for name, _ in model.named_parameters()][-2:]
    if not others <= set(classifier):
        raise UserError(
            f"{path}: shapes differ outside the classifier: {', '.join(sorted(others))}"
        )
    model.load_state_dict(fitting, strict=False)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a .safetensors file or of a torch state dict, on the CPU."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, UnpicklingError) as error:
        raise UserError(f"{path}: cannot be read as weights: {first_line(error)}") from error
    except safetensors.SafetensorError as error:
        raise UserError(f"{path}: cannot be read as weights: {error}") from error
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise UserError(
            f"{path}: expected a state dict (names to tensors), got {type(state).__name__}"
        )
    return state


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message: torch's go on with advice to programmers."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def load_model(settings: ModelSettings, classes: int, image_size: int, weights: Path) -> nn.Module:
    """Return a model with the weights of a file that `save_weights` wrote; UserError as there."""
    fresh = replace(settings, initial_weights=None)
    model = build_model(fresh, classes, image_size, seed=0)
    load_weights(model, weights)
    return model


def save_weights(model: nn.Module, path: Path) -> None:
    """Write a model's parameters and running statistics as .safetensors, whole or not at all."""
    state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    with replacing(path) as temporary:
        save_file(state, temporary)


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a file that `save_weights` wrote, in place."""
    try:
        model.load_state_dict(read_weights(path))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: not the weights of this architecture: {reason}") from error
