"""Which schedules are worth showing: all but the plain ones."""

from collections.abc import Mapping
from typing import Any

from mct.calibration.plan import plan_any
from mct.experiment.method import Config
from mct.experiment.methods import Ranks, needed_trainings
from mct.learning.plan import Plan

PLAIN = ("constant", "linear", "cosine", "step")
"""Words for shapes that nobody needs to see drawn."""


def shows_schedules(config: Config) -> bool:
    """Return whether some training has phases, a shape that is not plain, or scaled rates."""
    variants = [each for each in config.get("variants", {}).values() if "calibration" in each]
    decays = [section["calibration"]["schedule"] for section in (config, *variants)]
    return config["optimizer"]["rate_scaling"] != "none" or any(
        schedule not in PLAIN for schedule in (config["pretraining"]["schedule"], *decays)
    )


def shown_settings(config: Config, ranks: Ranks) -> dict[str, dict[str, Any]]:
    """Return the settings of each training by its name, of one seed; nothing where all is plain.

    Where the batch depends on the ranks, a training is there for each number of them.
    """
    if not shows_schedules(config):
        return {}
    names = needed_trainings(config)
    if config["optimizer"]["batch_per_rank"] is None or len(config["ranks"]) == 1:
        return {name: ranks.settings(name, 0, str(config["ranks"][0])) for name in names}
    return {
        f"{name}, {count} ranks": ranks.settings(name, 0, str(count))
        for name in names
        for count in config["ranks"]
    }


def shown_plans(config: Config, ranks: Ranks, sizes: Mapping[str, int]) -> dict[str, Plan]:
    """Return the plan of each training whose schedule is shown, by its name."""
    return {
        name: plan_any(settings, sizes) for name, settings in shown_settings(config, ranks).items()
    }
