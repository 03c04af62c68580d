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
from benchmarks.shared.made_shards import store
from mct.base.partition import plan_batches
from mct.data.catalogue import from_rows
from mct.data.imagesets import ImageSet, open_set
from mct.data.layouts.base import Row
from mct.data.loading import BatchReader, read_for_evaluation
from mct.data.settings import ImageSettings, ShardSettings
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
    labels = write(layout, options.folder, order)
    sets = {name: open_set(name, labels) for name in ("noisy", "test")}
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


def write(layout: Digits, folder: Path, order: np.ndarray) -> Path:
    """Write the digits as one shard, the first of them as the test set; return the table of labels."""
    settings = ShardSettings(size=SIZE, encoding="encoded", short_side=None, quality=95)
    rows = []
    for place, number in enumerate(order.tolist()):
        label, test = int(layout.labels[number]), place < TEST_PICTURES
        rows.append(Row(f"{number}", f"{number}", label, label, not test, False, False, test))
    return store(from_rows(rows), layout, settings, folder)


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
