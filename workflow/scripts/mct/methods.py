"""The methods of the accuracy table: what each trains on, for how long, and its published figures.

Equal terms: the deployed model of every method sees as many samples as MCT's Mp, with the same
shape of schedule; `noise_only_compute` instead gets all samples that MCT's two models process.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mct.settings import (
    CalibrationSettings,
    EvaluationSettings,
    ImageSettings,
    ModelSettings,
    OptimizerSettings,
    pick,
)

ROLES = ("auxiliary", "primary")
Epochs = dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Method:
    """A row of the table; `training_set` is None where a pair is calibrated."""

    title: str
    training_set: str | None
    whole_compute: bool = False


METHODS = {
    "noise_only": Method(title="Noise only", training_set="noisy"),
    "noise_only_compute": Method(
        title="Noise only, MCT's compute", training_set="noisy", whole_compute=True
    ),
    "clean_only": Method(title="Clean only", training_set="clean"),
    "clean_noisy": Method(title="Clean + noisy", training_set="union"),
    "mct_paper": Method(title="MCT (paper)", training_set=None),
}
PRETRAINING = {
    "pretrain_auxiliary": Method(title="Ma, pretrained on clean", training_set="clean"),
    "pretrain_primary": Method(title="Mp, pretrained on noisy", training_set="noisy"),
}
BASELINES = [name for name, method in METHODS.items() if method.training_set]
CALIBRATED = [name for name, method in METHODS.items() if not method.training_set]


def roles_of(method: str) -> tuple[str, ...]:
    """Return the roles of the models that a method makes."""
    if method in CALIBRATED:
        return ROLES
    return ("auxiliary",) if method == "pretrain_auxiliary" else ("primary",)


def stage_epochs(config: Mapping[str, Any], method: str) -> tuple[Epochs, Epochs]:
    """Return epochs at the constant rate and in the decay, in sizes of the named sets.

    For a calibrated pair these are the samples that both models together process.
    """
    pretraining, decay = config["pretraining"], config["calibration"]["epochs"]
    auxiliary, primary = pretraining["epochs_auxiliary"], pretraining["epochs_primary"]
    if method == "pretrain_auxiliary":
        return {"clean": auxiliary}, {}
    if method == "pretrain_primary":
        return {"noisy": primary}, {}
    if METHODS[method].whole_compute or method in CALIBRATED:
        return {"clean": auxiliary, "noisy": primary}, {"noisy": 2 * decay}
    return {"noisy": primary}, {"noisy": decay}


def model_seed(seed: int, role: str) -> int:
    """Return the seed of a model's random start; Ma's differs from Mp's, baselines start like Mp."""
    return 2 * seed + ROLES.index(role)


def order_seed(seed: int, stage: int) -> int:
    """Return the seed of order and augmentation in stage 1 (also of baselines) or stage 2."""
    return 2 * seed + stage - 1


def samples_of(epochs: Epochs, set_sizes: Mapping[str, int]) -> int:
    """Return how many samples `epochs` sizes of the named sets are."""
    return sum(count * set_sizes[name] for name, count in epochs.items())


def _shared_sections(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "images": pick(config["images"], ImageSettings),
        "model": pick(config["model"], ModelSettings),
        "optimizer": pick(config["optimizer"], OptimizerSettings),
    }


def training_settings(config: Mapping[str, Any], method: str, seed: int) -> dict[str, Any]:
    """Return the `TrainingSettings` of a pretraining job or a baseline, as plain data."""
    constant, decay = stage_epochs(config, method)
    pretraining, calibration = config["pretraining"], config["calibration"]
    decays = bool(decay)
    return {
        **_shared_sections(config),
        "training_set": {**METHODS, **PRETRAINING}[method].training_set,
        "constant_epochs": constant,
        "decay_epochs": decay,
        "learning_rate": pretraining["learning_rate"],
        "decay_learning_rate": calibration["learning_rate"] if decays else 0.0,
        "schedule": calibration["schedule"] if decays else "constant",
        "seed": seed,
        "shuffle_window": config["shards"]["shuffle_window"],
    }


def calibration_settings(config: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return the `CalibrationSettings` of a configuration, as plain data."""
    section = pick(config["calibration"], CalibrationSettings)
    window = config["shards"]["shuffle_window"]
    return {**_shared_sections(config), **section, "seed": seed, "shuffle_window": window}


def evaluation_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `EvaluationSettings` of a configuration, as plain data."""
    return pick(_shared_sections(config), EvaluationSettings)
