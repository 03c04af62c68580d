"""Parts of a net in the order of its layers: which of them learn, and how fast."""

from collections.abc import Iterator

from torch import nn
from torch.nn import Parameter
from torch.nn.modules.batchnorm import _BatchNorm

from mct.base.errors import UserError
from mct.learning.classifier import classifier_modules
from mct.learning.settings import ModelSettings, OptimizerSettings

CONTAINERS = ("features", "blocks", "stages", "layers", "classifier", "head", "heads")
"""Children of a net that hold its stages one after the other, by the names that libraries give them."""
NORMS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm)


def parts_of(model: nn.Module) -> list[list[nn.Module]]:
    """Return the stages of a net in their order, the classifier last.

    A stage is a child of the net that has parameters, or a child of a container of stages; with it
    goes a norm that follows. From where the classifier begins all is one part.
    """
    parts: list[list[nn.Module]] = []
    for module in _children(model):
        if parts and isinstance(module, NORMS):
            parts[-1].append(module)
        else:
            parts.append([module])
    classifier = {p for module in classifier_modules(model).values() for p in module.parameters()}
    first = next(at for at, part in enumerate(parts) if classifier & _parameters(part))
    return [*parts[:first], [module for part in parts[first:] for module in part]]


def _parameters(part: list[nn.Module]) -> set[Parameter]:
    return {parameter for module in part for parameter in module.parameters()}


def _children(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the children that have parameters; those of containers in their place."""
    for name, child in module.named_children():
        is_open = name in CONTAINERS or isinstance(module, nn.Sequential)
        if is_open and isinstance(child, nn.Sequential | nn.ModuleList) and len(child):
            yield from _children(child)
        elif next(child.parameters(), None) is not None:
            yield child


def classifier_parameters(model: nn.Module) -> set[Parameter]:
    """Return the parameters of the last part of a net."""
    return _parameters(parts_of(model)[-1])


def freeze(model: nn.Module, settings: ModelSettings) -> None:
    """Let only those parts of a net learn that the settings name, in place.

    Parameters that belong to no part (of positions) learn where all do. UserError where the net has
    fewer stages than should learn.
    """
    if settings.trainable == "all":
        return
    *stages, classifier = parts_of(model)
    count = 0 if settings.trainable == "classifier" else int(settings.trainable)
    if count > len(stages):
        raise UserError(
            f"model.trainable: {settings.name} has {len(stages)} stages before its classifier, got "
            f"{count}; set all to train every one"
        )
    model.requires_grad_(False)
    for part in [*stages[len(stages) - count :], classifier]:
        for module in part:
            module.requires_grad_(True)


def begin_training(model: nn.Module, *, stores_statistics: bool) -> None:
    """Put a net into training mode, but what is frozen, which computes as in evaluation.

    With `stores_statistics` batch norms use their running statistics everywhere.
    """
    model.train()
    for module in model.modules():
        parameters = list(module.parameters())
        is_frozen = parameters and not any(p.requires_grad for p in parameters)
        if is_frozen or (stores_statistics and isinstance(module, _BatchNorm)):
            module.eval()


def rate_factors(model: nn.Module, settings: OptimizerSettings) -> dict[Parameter, float]:
    """Return by parameter what the learning rate is multiplied with."""
    *stages, classifier = parts_of(model)
    decay = settings.stage_rate_decay
    factors = dict.fromkeys(model.parameters(), decay ** len(stages))
    for distance, part in enumerate([*stages[::-1]], start=1):
        factors |= {p: decay**distance for module in part for p in module.parameters()}
    return factors | {p: settings.classifier_rate for m in classifier for p in m.parameters()}
