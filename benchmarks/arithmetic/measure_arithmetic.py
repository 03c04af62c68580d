"""Time forward and backward of one thread in several arithmetics, and how far memory management matters.

OMP_NUM_THREADS=1 python -m benchmarks.arithmetic.measure_arithmetic --output benchmarks/arithmetic/arithmetic
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

import torch
from torch.nn import functional

from benchmarks.shared.conditions import ROOT, describe_conditions
from benchmarks.shared.figures import middle, span
from mct.learning.models import build_architecture
from mct.results.tables import write_table
from mct.stage.compute import Compute, keep_freed_memory

CASES = {"cifar_resnet18": (64, 32), "alexnet": (32, 224), "resnet50": (8, 224)}
"""Samples and pixels of each model's batch."""
ARITHMETICS = ("contiguous float32", "float32", "autocast", "bfloat16 weights")
CLASSES, SQUARE = 14, 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(CASES))
    parser.add_argument("--steps", type=int, default=5, help="after one of warm-up")
    parser.add_argument("--keep-memory", type=int, help="measure in this process; print JSON")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.keep_memory is not None:
        if options.keep_memory:
            keep_freed_memory()
        print(json.dumps(measure(options.models, options.steps)))
        return
    found = {kept: in_a_process(kept, options) for kept in (1, 0)}
    rows = [
        row(model, name, [found[kept][model][name] for kept in (1, 0)])
        for model in options.models
        for name in ARITHMETICS
    ]
    rates = {dtype: matrix_rate(dtype) for dtype in (torch.float32, torch.bfloat16)}
    measured = (
        "One thread: milliseconds a "
        f"sample, forward and backward, medians of {options.steps} steps, arithmetics in turn, "
        "lowest to highest; `memory_returned` without mallopt, in a process of its own. Products of "
        f"square matrices of {SQUARE}: {rates[torch.float32]:.0f} GFLOP/s in float32, "
        f"{rates[torch.bfloat16]:.0f} in bfloat16."
    )
    caption = describe_conditions(measured, "OMP_NUM_THREADS=1 python")
    write_table(rows, options.output.with_suffix(".tsv"), caption)


def in_a_process(kept: int, options: argparse.Namespace) -> dict[str, dict[str, list[float]]]:
    """Return what a process of its own measures."""
    arguments = ["--models", *options.models, "--steps", options.steps, "--keep-memory", kept]
    program = "benchmarks.arithmetic.measure_arithmetic"
    command = [sys.executable, "-m", program, *map(str, arguments)]
    job = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(job.stdout)


def measure(models: list[str], steps: int) -> dict[str, dict[str, list[float]]]:
    """Return the milliseconds a sample of each step, by model and arithmetic."""
    found = {}
    for model in models:
        ways = dict(ways_of(model))
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(steps + 1):
            for name, step in ways.items():
                began = perf_counter()
                step()
                seconds[name].append(1e3 * (perf_counter() - began) / CASES[model][0])
        found[model] = {name: values[1:] for name, values in seconds.items()}
    return found


def ways_of(name: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield a step of forward and backward in each arithmetic."""
    batch, size = CASES[name]
    images = torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8)
    labels = torch.arange(batch) % CLASSES
    for arithmetic in ARITHMETICS:
        is_float = "float32" in arithmetic
        dtype = torch.float32 if is_float else torch.bfloat16
        compute = Compute(device=torch.device("cpu"), dtype=dtype)
        model, pictures = build_architecture(name, CLASSES), images
        if arithmetic != "contiguous float32":
            model = compute.place(model)
            pictures = images.contiguous(memory_format=torch.channels_last)
        if arithmetic == "bfloat16 weights":
            model, _ = compute.replicate(model)
        yield arithmetic, step_of(model, compute, pictures, labels)


def step_of(
    model: torch.nn.Module, compute: Compute, pictures: torch.Tensor, labels: torch.Tensor
) -> Callable[[], None]:
    """Return a step of forward and backward."""

    def step() -> None:
        model.zero_grad(set_to_none=True)
        with compute.autocast():
            logits = model(compute.normalise(pictures, (0.5,) * 3, (0.25,) * 3))
        functional.cross_entropy(logits.float(), labels).backward()

    return step


def matrix_rate(dtype: torch.dtype) -> float:
    """Return the best rate of products of square matrices in GFLOP/s."""
    square = torch.randn(SQUARE, SQUARE).to(dtype)
    best = float("inf")
    for _ in range(20):
        began = perf_counter()
        square @ square
        best = min(best, perf_counter() - began)
    return 2 * SQUARE**3 / best / 1e9


def row(model: str, arithmetic: str, found: list[list[float]]) -> dict[str, str]:
    kept, returned = found
    batch, size = CASES[model]
    return {
        "model": model,
        "samples": str(batch),
        "pixels": str(size),
        "arithmetic": arithmetic,
        "milliseconds": middle(kept, 1),
        "lowest_highest": span(kept, 1),
        "memory_returned": middle(returned, 1),
        "kind": "measured",
    }


if __name__ == "__main__":
    main()
