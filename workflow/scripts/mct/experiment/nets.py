"""What a plan has to know of a net of torchvision or timm: found out once, by another process.

A plan does without torch. What was found is kept in the user's cache, by name, size and versions of
the libraries, and in the results of each experiment, for its jobs.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mct.base.architectures import ARCHITECTURES, IMAGENET, Norms, Pretrained
from mct.base.errors import UserError
from mct.base.files import write_json
from mct.stage.closure import code_digest

PROGRAM = Path(__file__).parents[2] / "describe_net.py"
NAME = "nets.json"
"""Of the file that remembers nets."""
MOST = 500
"""Nets that are remembered."""
LIBRARIES = ("torch", "torchvision", "timm")
SHOWN = ("size", "mean", "std")
"""Keys of `images` that follow the net's own weights where they are not given."""


@dataclass(frozen=True, kw_only=True)
class Net:
    """A net of a library: what it costs at a size, if one is known, its norms, and its weights there."""

    library: str
    name: str
    pretrained: Pretrained | None
    size: int = 0
    parameters: int = 0
    multiply_adds: int = 0
    activations: int = 0
    features: int = 0
    norms: Norms | None = None

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> "Net":
        """Return a net from what `describe_net.py` prints."""
        weights, norms = facts["pretrained"], facts.get("norms")
        known = {"pretrained": weights and Pretrained(**weights), "norms": norms and Norms(**norms)}
        return cls(**{**facts, **known})

    @property
    def costs(self) -> dict[str, int]:
        """What it costs for a picture of its size."""
        names = ("parameters", "multiply_adds", "activations", "features")
        return {name: getattr(self, name) for name in names}


class Nets:
    """Finds nets by name; `results` is the folder of an experiment, whose jobs look there first."""

    def __init__(self, results: Path) -> None:
        self._files = (results / NAME, cache_folder() / NAME)
        self._found: dict[str, Any] = {}

    def find(self, name: str, size: int = 0) -> Net:
        """Return a net and its costs for pictures of `size` pixels, 0 for the size of its own weights.

        Raises UserError: no library has it, or it does not take such pictures.
        """
        question = json.dumps([name, size, *map(_version, LIBRARIES), code_digest(PROGRAM)])
        for known in (self._found, *map(_read, self._files)):
            with suppress(KeyError, TypeError):  # another form, or none
                return self._keep(question, known[question])
        facts = _describe(name, size)
        self._remember(self._files[-1], {question: facts})
        return self._keep(question, facts)

    def hand_on(self) -> None:
        """Leave what was found to the jobs of the experiment."""
        if self._found:
            self._remember(self._files[0], self._found)

    def _keep(self, question: str, facts: Mapping[str, Any]) -> Net:
        net = Net.read(facts)
        self._found[question] = facts
        return net

    @staticmethod
    def _remember(file: Path, facts: Mapping[str, Any]) -> None:
        """Add nets to a file; where it cannot be written, they are found out again."""
        with suppress(OSError):
            known = {**_read(file), **facts}
            write_json(file, dict(list(known.items())[-MOST:]))


def cache_folder() -> Path:
    """Return the user's folder for what can be found out again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mct-workflow"


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def _read(file: Path) -> dict[str, Any]:
    """Return the nets in a file, none where it is not there or damaged."""
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _describe(name: str, size: int) -> dict[str, Any]:
    """Return what `describe_net.py` finds; UserError where it finds no net or refuses the size."""
    command = [sys.executable, str(PROGRAM), "--name", name, "--size", str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    refusals = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    if done.returncode == 2 and refusals:
        raise UserError(refusals[0])
    if done.returncode:
        last = lines[-1] if lines else "no message"
        raise UserError(
            f"model.name: what {name} costs cannot be found out here (exit code {done.returncode}): "
            f"{last}; install requirements.txt where snakemake is started"
        )
    return json.loads(done.stdout.splitlines()[-1])


def pretrained(name: str, size: int, nets: Nets) -> Pretrained | None:
    """Return how pictures were shown to a net's own weights, None where there are none."""
    known = ARCHITECTURES.get(name)
    return known.pretrained if known else nets.find(name, size).pretrained


def follow_weights(
    config: Mapping[str, Any], given: Mapping[str, Any], nets: Nets
) -> tuple[dict[str, Any], list[str]]:
    """Return a configuration with sizes and moments of its initial weights, and a line that says so.

    `given` are the keys of `images` that the user wrote. Without initial weights nothing changes.

    Raises UserError: `imagenet` where no library has weights for the net.
    """
    start, name = config["model"]["initial_weights"], config["model"]["name"]
    absent = [key for key in SHOWN if key not in given]
    if not start or not (absent or start == IMAGENET):
        return dict(config), []
    weights = pretrained(name, config["images"]["size"] if "size" in given else 0, nets)
    if weights is None and start == IMAGENET:
        raise UserError(
            f"model.initial_weights: no library has weights for {name}; name a file, or leave it out"
        )
    if weights is None or not absent:
        return dict(config), []
    followed = {key: _plain(getattr(weights, key)) for key in absent}
    shown = ", ".join(f"images.{key} {value}" for key, value in followed.items())
    line = f"model.name: {name} with weights: {shown}, as for its own weights {weights.tag}"
    return {**config, "images": {**config["images"], **followed}}, [line]


def check_fetched(model: Mapping[str, Any], classes: int, nets: Nets) -> None:
    """Raise UserError where the classifier of weights that a job fetches is kept for other classes."""
    weights = pretrained(model["name"], 0, nets) if model["keep_classifier"] else None
    if weights and weights.classes != classes:
        raise UserError(
            f"model.keep_classifier: {model['name']}'s own weights are for {weights.classes} classes, "
            f"expected {classes}; set it to false to start the classifier at random"
        )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
