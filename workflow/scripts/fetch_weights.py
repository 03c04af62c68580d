"""Write the weights that torchvision or timm has for a net into a file, and next to it which they are.

They come from the library's own cache or the network. Where neither has them, a line says how to bring
them.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor

from mct.base.errors import UserError
from mct.base.files import file_digest
from mct.learning.hubs import Net, fetching_line, find_net, pretrained_net, pretrained_of
from mct.learning.weight_files import write_state
from mct.stage import entry
from mct.stage.record import write_record


def main() -> None:
    arguments = entry.options(__doc__, name=str, weights=Path, record=Path)
    net, file = find_net(arguments.name), arguments.weights
    write_state(fetch(net), file)
    known = pretrained_of(net)
    facts: dict[str, Any] = {
        "name": net.name,
        "library": net.library,
        "version": version(net.library),
    }
    facts |= {"pretrained": known and known._asdict(), "sha256": file_digest(file)}
    write_record(arguments.record, facts)


def fetch(net: Net) -> dict[str, Tensor]:
    """Return a net's weights; UserError where they cannot be had here."""
    try:
        return pretrained_net(net).state_dict()
    except Exception as error:  # the libraries' clients raise errors of many others
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        file = f"{net.name}.pt"
        raise UserError(
            f"the weights of {net.name} cannot be fetched here ({reason}); where there is a network "
            f"and {net.library}, run: {fetching_line(net, file)}; bring {file} here and name it: "
            f"`model: {{initial_weights: {file}}}`"
        ) from error


if __name__ == "__main__":
    entry.run(main)
