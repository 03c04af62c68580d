"""Write what each architecture costs, from which the rules plan time and memory."""

from pathlib import Path

import find_library  # noqa: F401
import torch
from torch import Tensor, nn

from mct.base.architectures import ARCHITECTURES
from mct.base.files import write_text
from mct.learning.models import build_architecture
from mct.stage import entry

HEADER = (
    "# Per picture of size x size; for 1,000 classes. Made by"
    " `python workflow/tools/describe_models.py --output workflow/resources/models.tsv`.\n"
    "model\tsize\tparameters\tmultiply_adds\tactivations\tfeatures\n"
)
CLASSES = 1000


def main() -> None:
    output = entry.options(__doc__, output=Path).output
    rows = [
        describe(name, 32 if net.smallest < 32 else 224)
        for name, net in sorted(ARCHITECTURES.items())
    ]
    write_text(output, HEADER + "".join(rows))


def describe(name: str, size: int) -> str:
    """Return an architecture's row: parameters, multiply-adds, outputs of all layers, last inputs."""
    counts = {"multiply_adds": 0, "activations": 0}

    def count(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        counts["activations"] += output.numel()
        if isinstance(layer, nn.Conv2d | nn.Linear):
            per_output = layer.weight[0].numel()
            counts["multiply_adds"] += per_output * output.numel()

    with torch.device("meta"):
        model = build_architecture(name, CLASSES).eval()
        for layer in model.modules():
            if not any(layer.children()):
                layer.register_forward_hook(count)
        model(torch.empty(1, 3, size, size))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    classifier = [layer for layer in model.modules() if isinstance(layer, nn.Linear)][-1]
    row = (name, size, parameters, *counts.values(), classifier.in_features)
    return "\t".join(map(str, row)) + "\n"


if __name__ == "__main__":
    entry.run(main)
