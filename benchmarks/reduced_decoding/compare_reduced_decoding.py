r"""Accuracy with JPEGs decoded at reduced size (`images.reduced_decoding`) and at their own.

python -m benchmarks.reduced_decoding.compare_reduced_decoding --folder /tmp/reduced \
    --output benchmarks/reduced_decoding/reduced_decoding

The digits, enlarged to 128 pixels as JPEGs, are learned by a small network from views of 16 pixels
(`resized_crop`, so that nearly every one is decoded at a half or a quarter); only the decoding
differs between the two runs of a seed. No photographs: this shows that nothing breaks, not more.
"""

import argparse
import io
import statistics
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits

from benchmarks.shared.conditions import describe_conditions
from mct.base.partition import plan_batches
from mct.data.imagesets import ImageSet, open_set
from mct.data.inspection import find
from mct.data.layouts.base import Row
from mct.data.loading import BatchReader, read_for_evaluation
from mct.data.settings import ImageSettings, ShardSettings
from mct.data.sharding import Member, ShardPlan, write_shard
from mct.learning.models import build_model
from mct.learning.settings import ModelSettings
from mct.results.tables import write_table

SIDE, SIZE, BATCH_SIZE, TEST_PICTURES = 128, 16, 64, 400


class Digits:
    """The part of a layout that shards need: picture `<number>` is a digit as a JPEG."""

    def __init__(self) -> None:
        self.pictures, self.labels = load_digits(return_X_y=True)

    def read(self, path: str) -> bytes:
        """Return a JPEG of `SIDE` pixels."""
        grey = Image.fromarray((self.pictures[int(path)].reshape(8, 8) * 15).astype(np.uint8))
        buffer = io.BytesIO()
        grey.resize((SIDE, SIDE), Image.Resampling.BICUBIC).convert("RGB").save(buffer, "JPEG")
        return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    layout = Digits()
    count = len(layout.labels)
    order = np.random.default_rng(0).permutation(count)
    sets = {
        name: open_set(name, [write(layout, options.folder, name, part)])
        for name, part in (("noisy", order[TEST_PICTURES:]), ("test", order[:TEST_PICTURES]))
    }
    runs = {
        reduced: [accuracy(sets, seed, reduced, options.epochs) for seed in range(options.seeds)]
        for reduced in (True, False)
    }
    differences = [a - b for a, b in zip(runs[True], runs[False], strict=True)]
    rows = [
        row("reduced", runs[True]),
        row("full size", runs[False]),
        row("difference", differences),
    ]
    measured = (
        f"Top-1 in % on {TEST_PICTURES} digits after {options.epochs} epochs over "
        f"{count - TEST_PICTURES}, JPEGs of {SIDE} px, views of {SIZE} px."
    )
    write_table(rows, options.output.with_suffix(".tsv"), describe_conditions(measured))


def write(layout: Digits, folder: Path, name: str, numbers: np.ndarray) -> Path:
    """Write the digits of some numbers as one shard."""
    settings = ShardSettings(
        layout="none", root=None, seed=0, size=SIZE, encoding="encoded", shards=1,
        short_side=None, quality=95,
    )  # fmt: skip
    members = []
    for number in numbers.tolist():
        label, noisy = int(layout.labels[number]), name == "noisy"
        row = Row(f"{number}", f"{number}", label, label, noisy, False, False, not noisy)
        members.append(Member(number, row, find(row, layout, 10**6)))
    path = folder / f"{name}.h5"
    write_shard(
        members, layout, settings, ShardPlan(set_name=name, shard=0, classes=10, source=""), path
    )
    return path


def accuracy(sets: dict[str, ImageSet], seed: int, reduced: bool, epochs: int) -> float:
    """Return the accuracy, in %, of a network that is trained from a seed."""
    images = ImageSettings(
        size=SIZE, augmentation="resized_crop", mean=(0.5,) * 3, std=(0.25,) * 3,
        reduced_decoding=reduced,
    )  # fmt: skip
    model = build_model(
        ModelSettings(name="small_cnn", initial_weights=None, precision="float32"), 10, SIZE, seed
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    reader = BatchReader(sets["noisy"], images, seed=seed)
    for plan in plan_batches(epochs * len(sets["noisy"]), len(sets["noisy"]), BATCH_SIZE):
        batch = reader.read(plan)
        loss = torch.nn.functional.cross_entropy(model(normalised(batch.images)), batch.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.inference_mode():
        correct = sum(
            int((model(normalised(pictures)).argmax(dim=1) == labels).sum())
            for pictures, labels in read_for_evaluation(
                sets["test"], images, 256, threads=1, prefetch=0
            )
        )
    return 100 * correct / len(sets["test"])


def normalised(images: torch.Tensor) -> torch.Tensor:
    return images.float().div_(255).sub_(0.5).div_(0.25)


def row(name: str, figures: list[float]) -> dict[str, str]:
    """Return mean and standard deviation over seeds."""
    return {
        "decoding": name,
        "top1_percent": f"{statistics.mean(figures):.2f}",
        "standard_deviation": f"{statistics.stdev(figures):.2f}",
        "each_seed": " ".join(f"{figure:.2f}" for figure in figures),
    }


if __name__ == "__main__":
    main()
