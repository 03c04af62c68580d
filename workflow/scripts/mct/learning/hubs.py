"""Nets of torchvision and timm by name, at random or with the weights that these libraries have for them.

`torchvision/NAME` and `timm/NAME` choose the library; a bare name is torchvision's where it has a
classification net of that name, else timm's. timm is imported for its own nets alone.
"""

from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

from torch import nn

from mct.base.architectures import ARCHITECTURES, Pretrained
from mct.base.errors import UserError
from mct.base.texts import nearest

HALF = (0.5, 0.5, 0.5)
SHIFTED = ("googlenet", "inception_v3")
"""torchvision's nets with auxiliary classifiers, which are left out. Their weights expect pictures of mean
and deviation 0.5: with weights torchvision's own nets convert inside, ours do not."""


class Net(NamedTuple):
    """A net by its library, `torchvision` or `timm`, and its name there."""

    library: str
    name: str


def find_net(text: str) -> Net:
    """Return the net that a name means.

    Raises UserError: no library has it (with the most similar names), or timm is not installed.
    """
    chosen, _, name = text.rpartition("/")
    if chosen in ("", "torchvision") and name in torchvision_names():
        return Net("torchvision", name)
    if chosen == "torchvision":
        raise UserError(_unknown(text, torchvision_names()))
    timm = import_timm(text)
    if timm.is_model(name) and _has_tag(timm, name):
        return Net("timm", name)
    raise UserError(_unknown(text, [*ARCHITECTURES, *torchvision_names(), *timm_names(timm)]))


def torchvision_names() -> list[str]:
    """Return the names of torchvision's classification nets."""
    from torchvision import models

    return models.list_models(module=models)


def timm_names(timm: ModuleType) -> list[str]:
    """Return the names of timm's nets, without tags of weights and with them."""
    return [*timm.list_models(), *timm.list_models(pretrained=True)]


def import_timm(text: str) -> ModuleType:
    """Return the module timm; UserError where the net `text` cannot be looked for in it."""
    try:
        import timm
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise
        known = nearest(text, [*ARCHITECTURES, *torchvision_names()])
        near = f"did you mean `{known}`? Or" if known else "if it is a net of timm,"
        raise UserError(
            f"model.name: torchvision has no classification net {text}; {near} install timm, "
            "which is not installed: pip install timm"
        ) from None
    return timm


def _has_tag(timm: ModuleType, name: str) -> bool:
    """Return whether timm knows the tag of weights that a name ends in, if it ends in one."""
    architecture, _, tag = name.partition(".")
    return not tag or name in timm.list_models(f"{architecture}.*", pretrained=True)


def _unknown(text: str, known: list[str]) -> str:
    near = nearest(text.rpartition("/")[2], known)
    hint = f"did you mean `{near}`?" if near else "see timm.list_models()"
    return f"model.name: neither torchvision nor timm has a classification net {text}; {hint}"


def build_net(text: str, classes: int) -> nn.Module:
    """Return a net of torchvision or timm at its random start."""
    net = find_net(text)
    if net.library == "torchvision":
        from torchvision.models import get_model

        plain = {"aux_logits": False, "init_weights": True} if net.name in SHIFTED else {}
        return get_model(net.name, weights=None, num_classes=classes, **plain)
    return import_timm(text).create_model(net.name, num_classes=classes)


def pretrained_of(net: Net) -> Pretrained | None:
    """Return what is known of the weights that a library has for a net, None if it has none."""
    facts: Callable[[str], Pretrained | None] = (
        _of_torchvision if net.library == "torchvision" else _of_timm
    )
    return facts(net.name)


def _of_torchvision(name: str) -> Pretrained | None:
    from torchvision.models import get_model_weights

    weights = getattr(get_model_weights(name), "DEFAULT", None)
    if weights is None:
        return None
    view = weights.transforms()
    mean, std = (HALF, HALF) if name in SHIFTED else (tuple(view.mean), tuple(view.std))
    return Pretrained(weights.name, view.crop_size[0], mean, std, len(weights.meta["categories"]))


def _of_timm(name: str) -> Pretrained | None:
    facts = import_timm(name).get_pretrained_cfg(name)
    if facts is None or not facts.has_weights:
        return None
    size = facts.input_size[-1]
    return Pretrained(facts.tag, size, tuple(facts.mean), tuple(facts.std), facts.num_classes)


def pretrained_net(net: Net) -> nn.Module:
    """Return a net with the weights that its library has for it, from its cache or the network."""
    if net.library == "timm":
        return import_timm(net.name).create_model(net.name, pretrained=True)
    from torchvision.models import get_model

    made = get_model(net.name, weights="DEFAULT")
    if net.name in SHIFTED:
        made.AuxLogits = None
    return made


def fetching_line(net: Net, file: str) -> str:
    """Return a command that writes a net's weights into a file, wherever its library is installed."""
    if net.library == "timm":
        made = f"import timm; net = timm.create_model('{net.name}', pretrained=True)"
    else:
        made = "from torchvision.models import get_model; "
        made += f"net = get_model('{net.name}', weights='DEFAULT')"
        made += "; net.AuxLogits = None" if net.name in SHIFTED else ""
    return f"python -c \"import torch; {made}; torch.save(net.state_dict(), '{file}')\""
