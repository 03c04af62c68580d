"""Device, arithmetic and threads of a process, and a record of what it ran on."""

import contextlib
import copy
import ctypes
import os
import platform
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

import torch
from torch import Tensor, nn

from mct.base.errors import UserError
from mct.stage.settings import ExecutionSettings

MALLOC_TRIM_THRESHOLD, MALLOC_MMAP_THRESHOLD = -1, -3
LARGEST_MAPPED, NEVER_TRIMMED = 1 << 30, (1 << 31) - 1
"""glibc's mallopt: parameters, and values that keep freed memory in the process."""
AUTOCAST_LAYERS = (nn.Conv2d, nn.Linear)
"""Layers that autocast computes in bfloat16. Kinds of them may compute with their weights first, which then
stay in float32 and are cast in each pass."""
LIBRARIES = ("torch", "torchvision", "mpi4py", "h5py", "numpy", "scipy", "simplejpeg", "snakemake")
OPTIONAL = ("timm",)


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Where and in which arithmetic a model runs."""

    device: torch.device
    dtype: torch.dtype

    def place(self, model: nn.Module) -> nn.Module:
        """Return a model on the device: channels last, in float64 where that is the arithmetic."""
        dtype = torch.float64 if self.dtype == torch.float64 else torch.float32
        return model.to(self.device, dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def replicate(self, model: nn.Module) -> tuple[nn.Module, dict[nn.Parameter, nn.Parameter]]:
        """Return the model that computes, and its parameters by those of `model` they stand for.

        Under autocast convolutions and linear layers cast their weights in each forward pass; here
        they are kept in bfloat16, as copies that `model`'s owner refreshes. All else is shared.
        """
        if self.dtype != torch.bfloat16:
            return model, {parameter: parameter for parameter in model.parameters()}
        shared: dict[int, Tensor] = {id(tensor): tensor for tensor in model.buffers()}
        leaves = {parameter: parameter for parameter in model.parameters()}
        for module in model.modules():
            if type(module) in AUTOCAST_LAYERS:
                for parameter in module.parameters(recurse=False):
                    copied = parameter.detach().to(self.dtype)
                    leaves[parameter] = nn.Parameter(copied, parameter.requires_grad)
        shared.update((id(parameter), leaf) for parameter, leaf in leaves.items())
        return copy.deepcopy(model, shared), leaves

    def autocast(self) -> AbstractContextManager:
        """Return the context of a forward pass."""
        if self.dtype != torch.bfloat16:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def seed(self, seed: int) -> None:
        """Seed what draws on the device: torch's own function seeds all kinds of devices, and is slow."""
        if self.device.type == "cuda":
            torch.cuda.default_generators[self.device.index or 0].manual_seed(seed)
        else:
            torch.default_generator.manual_seed(seed)

    def normalise(self, images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
        """Return uint8 pictures (b, 3, h, w), channels last, as a model's input: floating point."""
        images = self.receive(images)
        shift, scale = (_by_channel(tuple(part), images.dtype, self.device) for part in (mean, std))
        return images.sub_(shift).div_(scale)

    def receive(self, images: Tensor) -> Tensor:
        """Return pictures or features of the host on the device, as floating point.

        Those with height and width are channels last. What is all that already is not copied.
        """
        dtype = torch.float64 if self.dtype == torch.float64 else torch.float32
        if self.device.type == "cuda":
            images = images.pin_memory()  # or the copy would not be asynchronous
        images = images.to(self.device, non_blocking=True)
        form = torch.channels_last if images.dim() == 4 else torch.contiguous_format
        return images.to(dtype, memory_format=form)


@cache
def _by_channel(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return fractions of full scale as 8-bit values of channels, shape (1, 3, 1, 1)."""
    return torch.tensor(values, dtype=dtype, device=device).view(1, -1, 1, 1) * 255


def choose_compute(
    precision: str, execution: ExecutionSettings, local_rank: int | None = None
) -> Compute:
    """Return device and arithmetic; also sets the process's threads, and cuDNN to be deterministic.

    Without a `local_rank` the process is no rank of a training: no GPU was asked for on its behalf, so
    that it takes one where there is one, also where the settings say `cuda`.

    Raises UserError: a rank of a training finds no GPU where the settings demand one.
    """
    torch.set_num_threads(execution.threads_per_rank)
    keep_freed_memory()
    available = torch.cuda.is_available()
    if execution.device == "cuda" and local_rank is not None and not available:
        raise UserError(
            "execution.device: expected a GPU (cuda), found none; set it to auto or cpu"
        )
    device = torch.device("cpu")
    if available and execution.device != "cpu":
        device = torch.device("cuda", (local_rank or 0) % torch.cuda.device_count())
        torch.backends.cudnn.deterministic = True  # a resumed stage ends in the same bits
    dtype = best_dtype(device) if precision == "auto" else getattr(torch, precision)
    return Compute(device=device, dtype=dtype)


def keep_freed_memory() -> None:
    """Keep freed memory in the process: glibc gives it back, and gets it anew page by page in each step."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if mallopt:
        mallopt(MALLOC_MMAP_THRESHOLD, LARGEST_MAPPED)
        mallopt(MALLOC_TRIM_THRESHOLD, NEVER_TRIMMED)


def best_dtype(device: torch.device) -> torch.dtype:
    """Return bfloat16 where the GPU or the processor (AMX, AVX512-BF16) computes in it."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    flags = _processor("flags").split()
    return torch.bfloat16 if {"amx_bf16", "avx512_bf16"} & set(flags) else torch.float32


def _processor(field: str) -> str:
    """Return what the system says of the first processor, nothing where it does not list it."""
    try:
        with open("/proc/cpuinfo") as file:
            return next(line for line in file if line.startswith(field)).partition(":")[2].strip()
    except (OSError, StopIteration):
        return ""


def hardware(compute: Compute) -> dict[str, str | int]:
    """Return what a process runs on, for the record next to a result."""
    gpu = torch.cuda.get_device_name(compute.device) if compute.device.type == "cuda" else ""
    return {
        "host": platform.node(),
        "processor": _processor("model name") or platform.machine(),
        "cores": os.cpu_count() or 0,
        "gpu": gpu,
        "threads_per_rank": torch.get_num_threads(),
        "precision": str(compute.dtype).removeprefix("torch."),
    }


def versions() -> dict[str, str]:
    """Return the versions of the libraries that results depend on, timm's where it is imported."""
    names = (*LIBRARIES, *(name for name in OPTIONAL if name in sys.modules))
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
