"""The pair: the pretraining of its models, and the methods that calibrate it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mct.base.keys import pick
from mct.base.roles import PAIR, REFERENCE, ROLES
from mct.calibration.settings import CalibrationSettings
from mct.experiment.method import (
    Config,
    Epochs,
    Method,
    Training,
    by_name,
    code_of,
    decay_rate,
    shared_sections,
)


@dataclass(frozen=True, kw_only=True)
class Pretraining(Training):
    """The pretraining of one model of the pair."""

    role: str

    @property
    def roles(self) -> tuple[str, ...]:
        """The role of its model."""
        return (self.role,)

    def epochs(self, config: Config) -> tuple[Epochs, Epochs]:
        """Return its epochs, all at the constant rate."""
        return {self.training_set: config["pretraining"][f"epochs_{self.role}"]}, {}


@dataclass(frozen=True, kw_only=True)
class Calibration(Method):
    """A method that calibrates the pretrained pair.

    `changes` are what it has in place of keys of its section; `teaching` and `selecting` are the
    functions of a variant, see `CalibrationSettings`.
    """

    changes: Mapping[str, Any] = field(default_factory=dict)
    teaching: str = ""
    selecting: str = ""

    @property
    def roles(self) -> tuple[str, ...]:
        """Both roles."""
        return ROLES

    @property
    def evaluated_roles(self) -> tuple[str, ...]:
        """Both models, and the pair together."""
        return (*ROLES, PAIR)

    @property
    def confusion_key(self) -> str:
        """The key of the configuration that says where its confusion comes from."""
        return f"{self.section or 'calibration'}.confusion"

    def keys(self, config: Config) -> dict[str, Any]:
        """Return the keys of `calibration` as they are for this method."""
        return {**config["calibration"], **config.get(self.section, {}), **self.changes}

    def lineage(self, role: str) -> list[str]:
        """Return the pretraining of a role, then the calibration."""
        return [f"pretrain_{role}", self.name]

    def confusion_kind(self, config: Config) -> str | None:
        """Return where its confusion comes from, None where its targets use none."""
        keys = self.keys(config)
        return keys["confusion"] if keys["targets"] == "posterior" else None

    def preparations(self, config: Config) -> list[str]:
        """Return the pretraining of both models."""
        return list(PRETRAININGS)

    def epochs(self, config: Config) -> tuple[Epochs, Epochs]:
        """Return the epochs of both models, pretraining included."""
        constant = {
            name: epochs
            for pretraining in PRETRAININGS.values()
            for name, epochs in pretraining.epochs(config)[0].items()
        }
        shares = config["calibration"]["epochs"] * self.shares(config)
        return constant, {"noisy": float(shares.sum())}

    def shares(self, config: Config) -> NDArray[np.float64]:
        """Return how many samples Ma and Mp learn from or decide on for each noisy one, shape (2,)."""
        keys = self.keys(config)
        clean = np.array([keys[f"clean_per_batch_{role}"] for role in ROLES])
        return 1 + clean / config["optimizer"]["batch_size"]

    def cost(self, config: Config) -> float:
        """Return what a step of the slower model costs, in steps on the noisy batch alone.

        Predictions for the teacher are forward passes, a third of a step each.
        """
        keys = self.keys(config)
        looks_again = keys["teacher_average_epochs"] or config["images"]["strong_augmentation"]
        return float(self.shares(config).max()) + bool(looks_again) / 3

    def settings(self, config: Config, seed: int) -> dict[str, Any]:
        """Return its `CalibrationSettings` as plain data."""
        section = pick(self.keys(config), CalibrationSettings)
        functions = {"teaching": self.teaching, "selecting": self.selecting}
        own = {
            "learning_rate": decay_rate(config, self.name),
            "seed": seed,
            "shuffle_window": config["shards"]["shuffle_window"],
            "code": code_of(*functions.values()),
        }
        return {**shared_sections(config), **section, **functions, **own}


PRETRAININGS = by_name(
    Pretraining(
        name="pretrain_auxiliary",
        title="Ma, pretrained on clean",
        role="auxiliary",
        training_set="clean",
    ),
    Pretraining(
        name="pretrain_primary",
        title="Mp, pretrained on noisy",
        role="primary",
        training_set="noisy",
    ),
)
CALIBRATIONS = by_name(
    Calibration(name="mct_paper", title="MCT (paper)"),
    Calibration(name="mct", title="MCT", section="mct"),
)
REFERENCE_PAIR = CALIBRATIONS[REFERENCE]
"""The method whose Mp and whose compute set the equal terms."""
