"""Time the parts of loading and of an update that docs/decisions.md speaks of, ways in turn.

OMP_NUM_THREADS=1 python -m benchmarks.parts.measure_parts --output benchmarks/parts/parts
"""

import argparse
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import torch
from PIL import Image
from torch.nn import functional
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.models import get_model

from benchmarks.shared.conditions import describe_conditions
from benchmarks.shared.figures import middle, ratios, span
from benchmarks.shared.pictures import draw_jpeg
from mct.data.images import decode_plain, mirror, resample, to_image
from mct.learning.optimizer import MomentumSGD
from mct.learning.settings import OptimizerSettings
from mct.results.tables import write_table

SIZE, NETS = 224, ("resnet50", "mobilenet_v2")
PIECE = 1 << 17
"""Elements that are updated at a time, so that all arrays of a piece stay in a core's cache."""
Ways = dict[str, Callable[[], object]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--repeats", type=int, default=40, help="of a picture's parts in a round")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for part, (ways, repeats) in parts(options.repeats).items():
        rows += rows_of(part, time_in_turn(ways, options.rounds, repeats))
    measured = (
        f"One thread, medians of {options.rounds} rounds, the ways in turn; lowest to highest."
    )
    caption = describe_conditions(measured, "OMP_NUM_THREADS=1 python")
    write_table(rows, options.output.with_suffix(".tsv"), caption)


def parts(repeats: int) -> dict[str, tuple[Ways, int]]:
    """Return the ways of each part, ours first, and how often a round repeats them."""
    data = draw_jpeg(0)
    picture = decode_plain(data, "picture")
    view = np.empty((SIZE, SIZE, 3), np.uint8)
    encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    image = Image.fromarray(picture)
    decoding: Ways = {
        "simplejpeg": lambda: decode_plain(data, "picture"),
        "torchvision": lambda: decode_jpeg(encoded, ImageReadMode.RGB),
        "Pillow": lambda: np.asarray(Image.open(io.BytesIO(data)).convert("RGB")),
    }
    resampling: Ways = {
        "into the batch": lambda: resample(picture, (SIZE, SIZE), out=view),
        "interpolate": lambda: functional.interpolate(
            to_image(picture), (SIZE, SIZE), mode="bilinear", antialias=True
        ),
        "Pillow": lambda: np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR)),
    }
    mirroring: Ways = {
        "a few rows at a time": lambda: mirror(view),
        "reversed slice": lambda: np.ascontiguousarray(view[:, ::-1]),
    }
    return {
        "decode 256 px": (decoding, repeats),
        "resize to 224 px": (resampling, repeats),
        "mirror 224 px": (mirroring, repeats),
        "update of a matrix of 20 M": (updates([(20_000, 1_000)]), 1),
        **{
            f"update of {name}": (updates([p.shape for p in get_model(name).parameters()]), 1)
            for name in NETS
        },
    }


def updates(shapes: Sequence[Sequence[int]]) -> Ways:
    """Return updates of parameters by our optimizer, and by plain calls on pieces and on whole tensors."""
    settings = OptimizerSettings(momentum=0.9, nesterov=True, weight_decay=5e-4, batch_size=1)
    weights = [torch.nn.Parameter(torch.zeros(*shape)) for shape in shapes]
    for weight in weights:
        weight.grad = torch.ones_like(weight)
    own = MomentumSGD(weights, settings)

    @torch.no_grad()
    def plain(piece: int) -> None:
        for weight, velocity in zip(weights, own.velocities, strict=True):
            tensors = (tensor.detach().view(-1) for tensor in (weight, weight.grad, velocity))
            for w, g, v in zip(*(tensor.split(piece) for tensor in tensors), strict=True):
                decayed = g.add(w, alpha=5e-4)
                v.mul_(0.9).add_(decayed)
                w.add_(decayed.add(v, alpha=0.9), alpha=-0.1)

    return {
        "torch, fused": lambda: own.step(0.1),
        "in pieces": lambda: plain(PIECE),
        "whole": lambda: plain(sum(weight.numel() for weight in weights)),
    }


def time_in_turn(ways: Ways, rounds: int, repeats: int) -> dict[str, list[float]]:
    """Return the seconds of each way in each round, after one of warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            began = perf_counter()
            for _ in range(repeats):
                way()
            seconds[name].append((perf_counter() - began) / repeats)
    return {name: values[1:] for name, values in seconds.items()}


def rows_of(part: str, seconds: dict[str, list[float]]) -> list[dict[str, str]]:
    """Return a row for each way; ratios are to ours, round by round."""
    ours = next(iter(seconds.values()))
    rows = []
    for name, values in seconds.items():
        by_ours = ratios(values, ours)
        rows.append(
            {
                "part": part,
                "way": name,
                "microseconds": f"{1e6 * median(values):.0f}",
                "ratio_to_ours": middle(by_ours),
                "lowest_highest": span(by_ours),
                "kind": "measured",
            }
        )
    return rows


if __name__ == "__main__":
    main()
