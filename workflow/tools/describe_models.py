"""Write what each architecture costs, from which the rules plan time and memory."""

from functools import partial
from pathlib import Path

import find_library  # noqa: F401

from mct.base.architectures import ARCHITECTURES
from mct.base.files import write_text
from mct.learning.costs import count_costs, sketch
from mct.learning.models import build_architecture
from mct.stage import entry

HEADER = (
    "# Per picture of size x size; for 1,000 classes. Made by"
    " `python workflow/tools/describe_models.py --output workflow/resources/models.tsv`.\n"
    "model\tsize\tparameters\tmultiply_adds\tactivations\tfeatures\n"
)


def main() -> None:
    output = entry.options(__doc__, output=Path).output
    rows = [
        describe(name, 32 if net.smallest < 32 else 224)
        for name, net in sorted(ARCHITECTURES.items())
    ]
    write_text(output, HEADER + "".join(rows))


def describe(name: str, size: int) -> str:
    """Return an architecture's row: parameters, multiply-adds, outputs of all layers, last inputs."""
    costs = count_costs(sketch(partial(build_architecture, name)), size)
    return "\t".join(map(str, (name, size, *costs))) + "\n"


if __name__ == "__main__":
    entry.run(main)
