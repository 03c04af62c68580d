"""Runs of a configuration on sets of a known size."""

from typing import Any

from mct.experiment.methods import Ranks
from mct.experiment.stage_settings import StageSettings

SIZES = {"clean": 100, "noisy": 1000}


def ranks_of(config: dict[str, Any]) -> Ranks:
    """Return what a configuration asks of ranks."""
    return Ranks(config, lambda: SIZES)


def stage_settings(config: dict[str, Any]) -> StageSettings:
    """Return what a configuration passes to stages."""
    return StageSettings(config, ranks_of(config))
