"""The pair: the pretraining of its models, and the methods that calibrate it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mct.base.keys import count_of, pick
from mct.base.roles import REFERENCE, ROLES
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
    spelled,
)


@dataclass(frozen=True, kw_only=True)
class Pretraining(Training):
    """The pretraining of one model of the pair, all at the constant rate."""

    def epochs(self, config: Config) -> tuple[Epochs, Epochs]:
        return {self.training_set: config["pretraining"][f"epochs_{self.roles[0]}"]}, {}

    def settings(self, config: Config, seed: int) -> dict[str, Any]:
        share = config["pretraining"]["held_out_clean"] if self.training_set == "clean" else 0
        return {**super().settings(config, seed), **({"held_out": share} if share else {})}


@dataclass(frozen=True, kw_only=True)
class Calibration(Method):
    """A method that calibrates the pretrained pair.

    `changes` are what it has in place of keys of its section; `teaching` and `selecting` are the
    functions of a variant, see `CalibrationSettings`.
    """

    changes: Mapping[str, Any] = field(default_factory=dict)
    teaching: str = ""
    selecting: str = ""

    roles: tuple[str, ...] = ROLES

    @property
    def confusion_key(self) -> str:
        return f"{self.section or 'calibration'}.confusion"

    def keys(self, config: Config) -> dict[str, Any]:
        """Return the keys of `calibration` as they are for this method; shares of the batch as numbers.

        A batch that is not known yet leaves shares as they are.
        """
        keys = {**config["calibration"], **config.get(self.section, {}), **self.changes}
        if batch := config["optimizer"].get("batch_size"):
            for key in (f"clean_per_batch_{role}" for role in ROLES):
                keys[key] = count_of(keys[key], batch)
        return keys

    def lineage(self, role: str) -> list[str]:
        return [f"pretrain_{role}", self.name]

    def confusion_kind(self, config: Config) -> str | None:
        keys = self.keys(config)
        return keys["confusion"] if keys["targets"] == "posterior" else None

    def preparations(self, config: Config) -> list[str]:
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
        section = pick(self.keys(config), CalibrationSettings)
        functions = {"teaching": self.teaching, "selecting": self.selecting}
        own = {
            "learning_rate": decay_rate(config, self.name),
            "schedule": spelled(config["calibration"]["schedule"]),
            "seed": seed,
            "shuffle_window": config["shards"]["shuffle_window"],
            "code": code_of(*functions.values()),
        }
        return {**shared_sections(config), **section, **functions, **own}


PRETRAININGS = by_name(
    *(
        Pretraining(
            name=f"pretrain_{role}",
            title=f"{role.symbol}, pretrained on {own_set}",
            roles=(role,),
            training_set=own_set,
        )
        for role, own_set in zip(ROLES, ("clean", "noisy"), strict=True)
    )
)
CALIBRATIONS = by_name(
    Calibration(name="mct_paper", title="MCT (paper)"),
    Calibration(name="mct", title="MCT", section="mct"),
    Calibration(
        name="mct_posterior",
        title="MCT, posterior alone",
        section="mct",
        changes={
            "soft_target_weight": 1,
            "temperature": 1,
            "taught_models": "both",
            "teacher": "pair",
        },
    ),
)
REFERENCE_PAIR = CALIBRATIONS[REFERENCE]
"""The method whose Mp and whose compute set the equal terms."""
