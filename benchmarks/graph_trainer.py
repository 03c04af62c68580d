"""Many small nets trained side by side on one GPU, a seed a stream, a step one CUDA graph.

For trials of `explore_pair.py` alone: everything lies on the device, and nothing is exchanged,
saved or resumed. On a processor the same steps run one after another.
"""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow/scripts"))

from mct.base.texts import read_lines
from mct.data.augmentation import CROPPING, MIRRORING, STRONG_DRAWS
from mct.data.images import decode_plain, fit
from mct.data.layouts.base import read_labels
from mct.data.pictures import Picture
from mct.learning.models import small_cnn
from mct.learning.schedules import cosine
from mct.learning.strong_views import strong_views

Labels = NDArray[np.int64]
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
BATCH, CLASSES = 128, 10
MOMENTUM, DECAY = 0.9, 5e-4
CONSTANT_RATE = 0.1
SPARE_STEPS = 3
"""Of warm-up before a graph is captured, which move the counter of steps too."""
VIEW_DRAWS = 3
"""Down, right, mirrored; those of a strong view follow."""
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class Pictures:
    """A data set on the device: pictures by number, what is known of them, and how it is divided.

    The observed labels of `noisy` are learned from; `clean` are those of them with a verified one,
    `known` says which. `held` are the validation pictures and noisy ones that are held out for
    their true label, so that differences of half a point show.
    """

    def __init__(
        self,
        stored: Picture,
        observed: Labels,
        verified: NDArray[np.bool_],
        true: Labels,
        held_out: int,
    ) -> None:
        """Pictures uint8 (n, s, s, 3) with `true` labels (n,); what the first ones are said to be."""
        count = len(observed)
        others = np.flatnonzero(~verified)
        extra = np.random.default_rng(7).choice(others, held_out, replace=False)
        self.noisy = on_device(np.setdiff1d(np.arange(count), extra))
        self.clean = on_device(np.flatnonzero(verified))
        self.held = on_device(np.concatenate([np.arange(count, len(true)), extra]))
        self.observed = on_device(np.concatenate([observed, true[count:]]))
        self.true = on_device(true)
        self.known = on_device(np.concatenate([verified, np.ones(len(true) - count, bool)]))
        counts = np.zeros((CLASSES, CLASSES))
        np.add.at(counts, (true[:count][verified], observed[verified]), 1)
        self.confusion = on_device(counts / counts.sum(axis=1, keepdims=True)).float()
        self._padded = self._pad(on_device(stored))

    @classmethod
    def read(cls, root: Path, true_labels: Path, size: int, held_out: int) -> "Pictures":
        """Read a data set in Clothing1M's layout."""
        noisy, clean, true = (
            read_labels(path, CLASSES)
            for path in (root / "noisy_label_kv.txt", root / "clean_label_kv.txt", true_labels)
        )
        keys = read_lines(root / "noisy_train_key_list.txt")
        verified = set(read_lines(root / "clean_train_key_list.txt"))
        names = keys + read_lines(root / "clean_val_key_list.txt")
        stored = [fit(decode_plain((root / name).read_bytes(), name), size) for name in names]
        return cls(
            np.stack(stored),
            np.array([noisy[name] for name in keys]),
            np.array([name in verified for name in keys]),
            np.array([true.get(name, clean.get(name)) for name in names]),
            held_out,
        )

    def _pad(self, stored: Tensor) -> Tensor:
        self.size = stored.shape[1]
        self.margin = self.size // 8
        mean, std = (torch.tensor(v, device=DEVICE).view(1, 3, 1, 1) for v in (MEAN, STD))
        side = self.size + 2 * self.margin
        padded = ((0 - mean) / std).expand(len(stored), 3, side, side).clone()
        middle = slice(self.margin, self.margin + self.size)
        padded[:, :, middle, middle] = (
            stored.permute(0, 3, 1, 2).contiguous().float() / 255 - mean
        ) / std
        return padded

    def plain(self, ids: Tensor) -> Tensor:
        """Return pictures as they are, normalised, (b, 3, s, s)."""
        middle = slice(self.margin, self.margin + self.size)
        chosen = self._padded[ids][:, :, middle, middle]
        return chosen.contiguous(memory_format=torch.channels_last)

    def views(self, ids: Tensor, draws: Tensor, kind: str, strength: float = 0.0) -> Tensor:
        """Return training views by uniform numbers of shape (b, VIEW_DRAWS + STRONG_DRAWS)."""
        lines = torch.arange(self.size, device=DEVICE)
        shifts = (draws[:, :2] * (2 * self.margin + 1)).long()
        if kind not in CROPPING:
            shifts = torch.full_like(shifts, self.margin)
        rows, columns = shifts[:, :1] + lines, shifts[:, 1:] + lines
        if kind in MIRRORING:
            columns = torch.where(draws[:, 2:3] < 0.5, columns.flip(1), columns)
        picture = torch.arange(len(ids), device=DEVICE)[:, None, None, None]
        channel = torch.arange(3, device=DEVICE)[None, :, None, None]
        views = self._padded[ids][picture, channel, rows[:, None, :, None], columns[:, None, None]]
        views = views.contiguous(memory_format=torch.channels_last)
        return strong_views(views, draws[:, VIEW_DRAWS:], strength) if strength else views


def on_device(values: NDArray[Any]) -> Tensor:
    """Return an array as a tensor on the device."""
    return torch.from_numpy(values).to(DEVICE)


class Batches:
    """`per` samples for each step, from endless passes over a set."""

    def __init__(self, ids: Tensor, *, steps: int, per: int, seed: int, stream: int) -> None:
        generator = torch.Generator().manual_seed(1000 * seed + stream)
        steps += SPARE_STEPS
        passes = max(1, math.ceil(steps * per / len(ids)))
        order = torch.cat([torch.randperm(len(ids), generator=generator) for _ in range(passes)])
        self._positions = order[: steps * per].view(steps, per).to(DEVICE)
        numbers = VIEW_DRAWS + STRONG_DRAWS + 1
        self._draws = torch.rand(steps, per, numbers, generator=generator).to(DEVICE)
        self._ids = ids[self._positions]

    def at(self, step: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return numbers of pictures, random numbers, and places in the set, of a step (1,)."""
        tables = self._ids, self._draws[..., : VIEW_DRAWS + STRONG_DRAWS], self._positions
        ids, draws, positions = (table.index_select(0, step)[0] for table in tables)
        return ids, draws, positions


class Member:
    """A net with its momentum."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net.to(DEVICE).to(memory_format=torch.channels_last)
        parameters = list(net.parameters())
        self._weights = [p for p in parameters if p.ndim > 1]
        self._ordered = self._weights + [p for p in parameters if p.ndim <= 1]
        self.velocities = [torch.zeros_like(p) for p in self._ordered]

    def tensors(self) -> list[Tensor]:
        """Return all that a step changes."""
        return [*self.net.state_dict().values(), *self.velocities]

    def logits(self, pictures: Tensor) -> Tensor:
        """Return float32 logits (b, K), computed in bfloat16."""
        with torch.autocast(DEVICE.type, torch.bfloat16, cache_enabled=False):
            return self.net(pictures).float()

    @torch.no_grad()
    def infer(self, pictures: Tensor, weights: Sequence[Tensor] = ()) -> Tensor:
        """Return probabilities (b, K) in evaluation mode, with other `weights` in their order."""
        names = [name for name, _ in self.net.named_parameters()]
        others = dict(zip(names, weights, strict=True)) if weights else {}
        self.net.eval()
        with torch.autocast(DEVICE.type, torch.bfloat16, cache_enabled=False):
            logits = [functional_call(self.net, others, (p,)) for p in pictures.split(2500)]
        self.net.train()
        return torch.softmax(torch.cat(logits).float(), dim=1)

    def differentiate(self, loss: Tensor) -> None:
        """Set every gradient to that of the loss."""
        for parameter in self._ordered:
            parameter.grad = None
        loss.backward()

    @torch.no_grad()
    def update(self, rate: Tensor) -> None:
        """Make a step of SGD with Nesterov's momentum; `rate` is a scalar on the device."""
        weights = [p.detach() for p in self._ordered]
        gradients = [p.grad for p in self._ordered if p.grad is not None]
        decayed = len(self._weights)
        gradients = [
            *torch._foreach_add(gradients[:decayed], weights[:decayed], alpha=DECAY),
            *gradients[decayed:],
        ]
        torch._foreach_mul_(self.velocities, MOMENTUM)
        torch._foreach_add_(self.velocities, gradients)
        direction = torch._foreach_add(gradients, self.velocities, alpha=MOMENTUM)
        torch._foreach_mul_(direction, rate)
        torch._foreach_sub_(weights, direction)


Step = Callable[[Tensor], None]


@dataclass
class Trainer:
    """Runs steps of independent seeds; `tensors` are all that they change."""

    steps: Sequence[Step]
    tensors: Sequence[Tensor]

    def run(self, count: int) -> None:
        """Make `count` steps of every seed."""
        number = torch.zeros(1, dtype=torch.long, device=DEVICE)
        if DEVICE.type == "cuda":
            self._replay(number, count)
            return
        for _ in range(count):
            for step in self.steps:
                step(number)
            number += 1

    def _replay(self, number: Tensor, count: int) -> None:
        start = [tensor.clone() for tensor in self.tensors]
        streams = [torch.cuda.Stream() for _ in self.steps]
        main, graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
        main.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(main):
            for _ in range(2):
                self._all(number, streams)
        self._restart(number, start)
        with torch.cuda.graph(graph, stream=main):
            self._all(number, streams)
        self._restart(number, start)
        for _ in range(count):
            graph.replay()
        torch.cuda.synchronize()

    def _all(self, number: Tensor, streams: Sequence[torch.cuda.Stream]) -> None:
        current = torch.cuda.current_stream()
        for stream, step in zip(streams, self.steps, strict=True):
            stream.wait_stream(current)
            with torch.cuda.stream(stream):
                step(number)
        for stream in streams:
            current.wait_stream(stream)
        number += 1

    @torch.no_grad()
    def _restart(self, number: Tensor, start: Sequence[Tensor]) -> None:
        torch.cuda.synchronize()
        for tensor, value in zip(self.tensors, start, strict=True):
            tensor.copy_(value)
        number.zero_()


def cosine_rates(steps: int, rate: float, share: float = 1.0) -> Tensor:
    """Return a rate for each step that falls to 0 within a share of the steps."""
    factors = [cosine(min(step / steps / share, 1.0)) for step in range(steps)]
    return rate * torch.tensor(factors, device=DEVICE)


def constant_rates(steps: int) -> Tensor:
    """Return the constant rate of pretraining for each step."""
    return torch.full((steps,), CONSTANT_RATE, device=DEVICE)


def small_net(width: int, seed: int) -> Member:
    """Return `small_cnn` of so many times the channels, at a random start."""
    torch.manual_seed(seed)
    return Member(small_cnn(CLASSES, width))


def at(table: Tensor, step: Tensor) -> Tensor:
    """Return the scalar of a step."""
    return table.index_select(0, step).squeeze(0)


def one_hot(labels: Tensor) -> Tensor:
    """Return float32 (b, K)."""
    return functional.one_hot(labels, CLASSES).float()
