"""The classifier of a net: the layer that makes logits of features, and starts anew on other classes."""

from torch import nn

Layer = nn.Linear | nn.Conv2d


def classifier_modules(model: nn.Module) -> dict[str, nn.Module]:
    """Return the classifier by its name in a net; of a net with a second head, both.

    timm says which these are. Elsewhere it is the last linear layer, or the last convolution of a net
    without one.
    """
    said = getattr(model, "pretrained_cfg", {}).get("classifier") or ()
    named = dict(model.named_modules())
    names = [name for name in ((said,) if isinstance(said, str) else said) if name in named]
    if not names:
        linear = [name for name, part in named.items() if isinstance(part, nn.Linear)]
        names = (linear or [name for name, part in named.items() if isinstance(part, nn.Conv2d)])[
            -1:
        ]
    return {name: named[name] for name in names}


def classifier_names(model: nn.Module) -> list[str]:
    """Return the names of the classifier's parameters."""
    parts = classifier_modules(model).items()
    return [f"{name}.{each}" for name, part in parts for each, _ in part.named_parameters()]


def classifier_layer(model: nn.Module) -> Layer:
    """Return the layer whose outputs are logits and whose inputs are features."""
    part = list(classifier_modules(model).values())[-1]
    return [layer for layer in part.modules() if isinstance(layer, Layer)][-1]
