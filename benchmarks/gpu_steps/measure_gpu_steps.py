"""Time training steps on a GPU: how long a step takes, and how much of that the host needs to launch it.

python -m benchmarks.gpu_steps.measure_gpu_steps --output benchmarks/gpu_steps/gpu_steps
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from mpi4py import MPI

from benchmarks.shared.conditions import describe_conditions
from mct.data.augmentation import STRONG_DRAWS
from mct.data.settings import ImageSettings
from mct.learning.learner import Learner
from mct.learning.losses import cross_entropy
from mct.learning.models import build_architecture
from mct.learning.settings import OptimizerSettings
from mct.results.tables import Row, write_table
from mct.stage.compute import choose_compute
from mct.stage.settings import ExecutionSettings

CLASSES, SIZE, STRENGTH = 10, 32, 0.7
CASES = (
    # samples, strong views, cuDNN is deterministic, cuDNN may choose by timing
    (160, True, True, False), (320, True, True, False), (320, False, True, False),
    (320, True, False, False), (320, True, True, True), (1024, True, True, False),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="cifar_resnet34")
    parser.add_argument("--steps", type=int, default=20, help="after five of warm-up")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    rows = [measure(options.model, *case, options.steps) for case in CASES]
    measured = f"Forward, backward and update of {options.model} on one rank, mean of {options.steps} steps."
    caption = describe_conditions(measured, device="cuda")
    write_table(rows, options.output.with_suffix(".tsv"), caption)


def measure(
    model: str, samples: int, is_strong: bool, deterministic: bool, timed: bool, steps: int
) -> Row:
    """Return the row of one case."""
    learner = make_learner(model, samples)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = deterministic, timed
    images = torch.randint(0, 256, (samples, SIZE, SIZE, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    labels = learner.to_device(torch.randint(0, CLASSES, (samples,)))
    numbers = np.random.default_rng(0).random((samples, STRONG_DRAWS), np.float32)
    strong = numbers if is_strong else None

    def step() -> None:
        logits = learner.forward(images, strong, key=0)
        learner.update(cross_entropy(logits, labels).mean(), 0.01)

    launched, whole = time_steps(step, steps)
    return {
        "samples": str(samples), "strong_views": str(is_strong),
        "deterministic": str(deterministic), "timed_algorithms": str(timed),
        "milliseconds": f"{1e3 * whole:.2f}", "launching": f"{1e3 * launched:.2f}",
        "samples_per_second": f"{samples / whole:.0f}",
    }  # fmt: skip


def make_learner(model: str, samples: int) -> Learner:
    images = ImageSettings(
        size=SIZE, augmentation="none", mean=(0.5,) * 3, std=(0.25,) * 3,
        strong_augmentation=STRENGTH,
    )  # fmt: skip
    optimizer = OptimizerSettings(
        momentum=0.9, nesterov=True, weight_decay=5e-4, batch_size=samples
    )
    execution = ExecutionSettings(device="cuda")
    return Learner(
        build_architecture(model, CLASSES), compute=choose_compute("auto", execution),
        comm=MPI.COMM_SELF, images=images, optimizer=optimizer, execution=execution,
    )  # fmt: skip


def time_steps(step: Callable[[], None], steps: int) -> tuple[float, float]:
    """Return the seconds after which a step is launched, and those after which it is done."""
    for _ in range(5):
        step()
    torch.cuda.synchronize()
    began = perf_counter()
    for _ in range(steps):
        step()
    launched = perf_counter() - began
    torch.cuda.synchronize()
    return launched / steps, (perf_counter() - began) / steps


if __name__ == "__main__":
    main()
