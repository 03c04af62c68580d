"""The folder of a finished experiment: its configuration, its models, its evaluations."""

from pathlib import Path
from typing import Any

from mct.command.printing import no_such
from mct.experiment.result_files import ResultFiles
from mct.stage.entry import read_keys

RESOLVED = {"dataset", "experiment", "finetuning", "methods", "ranks", "seeds", "split"}
"""Keys of a configuration that a run completed; what a user writes lacks some of them."""


class Finished:
    """An experiment's folder of results, by the resolved configuration in it."""

    def __init__(self, folder: Path) -> None:
        """UserError where it is no such folder."""
        path = folder / "config.yaml"
        if not path.is_file():
            raise no_such(str(folder), "an experiment's folder of results, which has a config.yaml")
        self.folder, self.config = folder, dict[str, Any](read_keys(path))
        if not self.config.keys() >= RESOLVED:
            raise no_such(
                str(folder),
                "an experiment's folder of results; its config.yaml was written by no run",
            )
        self.files = ResultFiles(str(folder), self.config)

    @property
    def classes(self) -> Path:
        """The file with the names of classes."""
        return self.folder / "catalogue" / f"{self.files.dataset}.classes.txt"

    def deployed(self, method: str = "") -> Path:
        """Return the weights of a method's deployed model in the first run; UserError without any.

        The method is `mct` by default, else the first of the table.
        """
        chosen = method or self.files.exported_method
        path = Path(self.files.exported_weights(chosen))
        if not path.is_file():
            raise no_such(str(path), f"the weights of method {chosen}, found none; run it first")
        return path
