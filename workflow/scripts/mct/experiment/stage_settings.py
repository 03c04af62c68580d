"""What each stage is passed of a configuration: the values of all its keys, as plain data."""

from collections.abc import Mapping
from typing import Any

from mct.base import methods
from mct.base.keys import pick
from mct.calibration.settings import CalibrationSettings
from mct.data.settings import ImageSettings
from mct.learning.settings import EvaluationSettings, ModelSettings, OptimizerSettings


def _shared_sections(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "images": pick(config["images"], ImageSettings),
        "model": pick(config["model"], ModelSettings),
        "optimizer": pick(config["optimizer"], OptimizerSettings),
    }


def training_settings(config: Mapping[str, Any], method: str, seed: int) -> dict[str, Any]:
    """Return the `TrainingSettings` of a pretraining job or a baseline, as plain data."""
    constant, decay = methods.stage_epochs(config, method)
    row, rates = methods.TRAININGS[method], methods.rates(config, method)
    own = config["baselines"].get(row.section, {})
    return {
        **_shared_sections(config),
        "training_set": row.training_set,
        "constant_epochs": constant,
        "decay_epochs": decay,
        "learning_rate": rates[0],
        "decay_learning_rate": rates[1] if decay else 0.0,
        "schedule": config["calibration"]["schedule"] if decay else "constant",
        "loss": row.loss,
        "weighting": row.weighting,
        "clean_per_batch": own.get("clean_per_batch", 0),
        "seed": seed,
        "shuffle_window": config["shards"]["shuffle_window"],
    }


def calibration_settings(config: Mapping[str, Any], method: str, seed: int) -> dict[str, Any]:
    """Return the `CalibrationSettings` of a method, as plain data."""
    section = pick(methods.calibration_section(config, method), CalibrationSettings)
    own = {"learning_rate": methods.decay_rate(config, method), "seed": seed}
    window = config["shards"]["shuffle_window"]
    return {**_shared_sections(config), **section, **own, "shuffle_window": window}


def cleannet_settings(config: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return the `CleanNetSettings` of a configuration, as plain data."""
    return {**_shared_sections(config), **config["baselines"]["cleannet"], "seed": seed}


def evaluation_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `EvaluationSettings` of a configuration, as plain data."""
    return pick(_shared_sections(config), EvaluationSettings)
