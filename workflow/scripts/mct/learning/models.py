"""Architectures by name, their start, and their files."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mct.base.architectures import ARCHITECTURES, HUBS, check_input_size, lacks_last_norms
from mct.base.errors import UserError
from mct.base.functions import open_function
from mct.learning.classifier import classifier_names
from mct.learning.last_norms import zero_last_norms
from mct.learning.parts import freeze
from mct.learning.settings import ModelSettings
from mct.learning.weight_files import fit_state, read_weights, require_fit, write_state

CIFAR_BLOCKS = {"cifar_resnet18": [2, 2, 2, 2], "cifar_resnet34": [3, 4, 6, 3]}


def small_cnn(classes: int) -> nn.Module:
    """Return a small convolutional net for pictures of 8 to 64 pixels (0.24 M parameters)."""
    channels = (3, 32, 64, 128, 128)
    layers: list[nn.Module] = []
    for stage, (inputs, outputs) in enumerate(itertools.pairwise(channels)):
        layers.append(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False))
        layers += [nn.BatchNorm2d(outputs), nn.ReLU(), *([nn.MaxPool2d(2)] if stage < 2 else [])]
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
    """Return a model at its random start: one of ours, else torchvision's or timm's of that name."""
    if name not in ARCHITECTURES:
        return open_function(HUBS)(name, classes)
    if builder := ARCHITECTURES[name].builder:
        net = open_function(builder)(classes)
        sizes = [p.shape for p in net.parameters()] if isinstance(net, nn.Module) else []
        if sizes[-1:] != [(classes,)]:
            raise UserError(
                f"{builder}: expected a net that ends in weight and bias of a classifier for {classes} "
                f"classes, got {type(net).__name__} that ends in {[*map(tuple, sizes[-2:])]}"
            )
        return net
    if name == "small_cnn":
        return small_cnn(classes)
    if name in CIFAR_BLOCKS:
        return cifar_resnet(CIFAR_BLOCKS[name], classes)
    from torchvision.models import get_model

    return get_model(name, weights=None, num_classes=classes)


def build_model(
    settings: ModelSettings, classes: int, image_size: int, seed: int, initial: Sequence[Path] = ()
) -> nn.Module:
    """Return a model: random by seed, then weights of files; UserError if pictures or weights do not fit."""
    check_input_size(settings.name, image_size, "images.size")
    torch.manual_seed(seed)
    model = build_architecture(settings.name, classes)
    if settings.zero_last_norms and not zero_last_norms(model):
        raise UserError(lacks_last_norms(settings.name))
    for file in initial:
        given = start_from(file, model, keep_classifier=settings.keep_classifier)
        model.load_state_dict({**model.state_dict(), **given})
    freeze(model, settings)
    return model


def start_from(path: Path, model: nn.Module, *, keep_classifier: bool) -> dict[str, Tensor]:
    """Return the tensors of a file that a model starts from, by the model's names.

    The classifier is left out, unless it is to be kept.

    Raises UserError: a file that does not fit the model, or a classifier to be kept that the file
    lacks or has for another number of classes.
    """
    own = model.state_dict()
    state = fit_state(read_weights(path), own)
    classifier = classifier_names(model)
    given = [state[name].shape for name in classifier if name in state]
    expected = [own[name].shape for name in classifier]
    if keep_classifier and given != expected:
        found = f"one for {given[-1][0]}" if given else "none"
        raise UserError(
            f"{path}: expected a classifier for {expected[-1][0]} classes, got {found}; set "
            "model.keep_classifier to false to start it at random"
        )
    is_other = [shape[1:] for shape in given] == [shape[1:] for shape in expected]
    require_fit(state, own, path, frozenset(classifier if is_other or not given else ()))
    return state if keep_classifier else {n: v for n, v in state.items() if n not in classifier}


def are_finite(state: Mapping[str, Tensor]) -> bool:
    """Return whether all floating-point tensors of a state dict hold finite numbers only."""
    return all(bool(torch.isfinite(t).all()) for t in state.values() if t.is_floating_point())


def load_model(settings: ModelSettings, classes: int, image_size: int, weights: Path) -> nn.Module:
    """Return a model with the weights of a file that `save_weights` wrote; UserError as there."""
    model = build_model(settings, classes, image_size, seed=0)
    load_weights(model, weights)
    return model


def save_weights(model: nn.Module, path: Path) -> None:
    """Write a model's parameters and running statistics as .safetensors, whole or not at all."""
    write_state(model.state_dict(), path)


def load_weights(model: nn.Module, path: Path) -> None:
    """Load a file that `save_weights` wrote, in place; UserError where it does not fit the model."""
    own = model.state_dict()
    state = fit_state(read_weights(path), own)
    require_fit(state, own, path)
    model.load_state_dict(state)


def to_array(tensor: Tensor) -> NDArray:
    """Return a copy of a tensor as a contiguous array on the host."""
    return np.array(tensor.detach().cpu().numpy(), order="C")
