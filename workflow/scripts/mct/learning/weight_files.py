"""Files of weights, a stage's or those of somebody's trainer: read where that is unambiguous, else refused.

Never runs code from a file: a pickled module is refused with how to save its state dict instead.
"""

import itertools
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mct.base.errors import UserError
from mct.base.files import replacing

PREFIXES = ("model.", "module.", "_orig_mod.")
"""What wrappers put before every name: Lightning, DistributedDataParallel, torch.compile."""
COUNTER = "num_batches_tracked"
UNREADABLE = (
    OSError, EOFError, RuntimeError, ValueError, UnpicklingError, SafetensorError, LookupError,
    TypeError, AttributeError, ImportError, AssertionError, struct.error,
)  # fmt: skip
"""What readers raise for files that they were not made for."""
State = dict[str, Tensor]


def write_state(state: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors by name as .safetensors, whole or not at all."""
    plain = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    with replacing(path) as temporary:
        save_file(plain, temporary)


def read_weights(path: Path) -> State:
    """Return the tensors of a .safetensors file or of a torch state dict, on the CPU.

    A state dict may be an entry of a dictionary, as in a trainer's checkpoint. UserError for no file
    of tensors, several state dicts in one, or a number that is not finite.
    """
    try:
        if path.suffix == ".safetensors":
            found = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise UserError(f"{path}: {_explain(error)}") from error
    state = _unwrap(found, path)
    for name, value in state.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise UserError(
                f"{path}: expected finite weights, got NaN or infinity in {name}: the training that "
                "wrote it diverged; take another file or train again at a lower learning rate"
            )
    return state


def _explain(error: BaseException) -> str:
    """Return what is wrong with a file that cannot be read, and what to do where that is known."""
    text = str(error)
    if found := re.search(r"GLOBAL (\S+)", text):
        return (
            f"holds Python objects ({found[1]}), not only tensors; they are not loaded, since "
            "unpickling runs code; save the model's state dict instead: "
            "torch.save(model.state_dict(), path)"
        )
    # The first line: torch adds advice to programmers.
    reason = next(iter(text.splitlines()), "") or type(error).__name__
    if "weights_only" in reason:  # which no user of ours can set
        reason = "no torch state dict; name a .safetensors file or a saved state dict"
    return f"cannot be read as weights: {reason}"


def _is_state(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(name, str) for name in value)
        and all(isinstance(tensor, Tensor) for tensor in value.values())
    )


def _unwrap(found: Any, path: Path) -> State:
    """Return the state dict that a file holds, alone or as the only one among other entries."""
    if _is_state(found):
        return dict(found)
    entries = found if isinstance(found, Mapping) else {}
    states = {str(name): value for name, value in entries.items() if _is_state(value)}
    if len(states) == 1:
        return dict(next(iter(states.values())))
    if states:
        raise UserError(
            f"{path}: expected one state dict, got {len(states)}: {', '.join(states)}; save one "
            "of them alone"
        )
    raise UserError(f"{path}: expected a state dict (names to tensors), got {type(found).__name__}")


def fit_state(state: State, own: Mapping[str, Tensor]) -> State:
    """Return a file's tensors by the names of an architecture, whose state dict is `own`.

    A prefix that all names share is removed. Counters of batches that are absent start at 0.
    """
    while (prefix := _shared_prefix(state)) and not own.keys() & state.keys():
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    absent = [name for name in own if name not in state and name.endswith(COUNTER)]
    return {**state, **{name: torch.zeros((), dtype=torch.int64) for name in absent}}


def _shared_prefix(state: State) -> str:
    return next((p for p in PREFIXES if all(name.startswith(p) for name in state)), "")


def require_fit(
    state: State, own: Mapping[str, Tensor], path: Path, ignored: frozenset[str] = frozenset()
) -> None:
    """Raise UserError with the first three names that differ in presence, shape or kind of number."""
    differing = [
        line
        for name in dict.fromkeys(itertools.chain(own, state))
        if name not in ignored and (line := _difference(name, own.get(name), state.get(name)))
    ]
    if differing:
        more = f", and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise UserError(
            f"{path}: not the weights of this architecture (model.name): "
            f"{'; '.join(differing[:3])}{more}"
        )


def _difference(name: str, own: Tensor | None, given: Tensor | None) -> str:
    """Return how a tensor of a file differs from an architecture's, or nothing."""
    if own is None or given is None:
        expected = "nothing" if own is None else _form(own)
        return f"{name}: expected {expected}, got {'nothing' if given is None else _form(given)}"
    if own.shape == given.shape and own.is_floating_point() == given.is_floating_point():
        return ""
    return f"{name}: expected {_form(own)}, got {_form(given)}"


def _form(tensor: Tensor) -> str:
    """Return a tensor's shape in words, and its type where that is not a floating-point one."""
    shape = " x ".join(map(str, tensor.shape)) or "a number"
    return shape if tensor.is_floating_point() else f"{shape} ({str(tensor.dtype)[6:]})"
