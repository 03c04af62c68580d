"""The methods of the accuracy table: what each trains on, for how long, and with which settings.

Equal terms: the deployed model of every baseline sees as many samples as that of method `mct` (to
within the clean ones of a partial batch an epoch), with the same shape of schedule;
`noise_only_compute` instead gets all samples that MCT's two models process.
Models that a method needs before (its pair's pretraining, the net that estimates a confusion) count as
the method's compute. `forward_finetuned` alone sees its fine-tuning in addition to that of `forward`.

No stage imports this module, so that a new method reruns nothing of the others.
"""

from typing import Any

from mct.base.keys import pick
from mct.experiment.baselines import BASELINES
from mct.experiment.method import Config, Method, Training, shared_sections
from mct.experiment.pair import CALIBRATIONS, PRETRAININGS
from mct.learning.settings import EvaluationSettings

METHODS: dict[str, Method] = {**BASELINES, **CALIBRATIONS}
ALONE: dict[str, Training] = {**PRETRAININGS, **BASELINES}
TRAININGS: dict[str, Method] = {**PRETRAININGS, **METHODS}


def needed_trainings(config: Config) -> list[str]:
    """Return all trainings that the configured methods consist of, in the order of `TRAININGS`."""
    needed = {
        name
        for method in config["methods"]
        for name in (*METHODS[method].preparations(config), method)
    }
    return [name for name in TRAININGS if name in needed]


def cleannet_settings(config: Config, seed: int) -> dict[str, Any]:
    """Return the `CleanNetSettings` of a configuration, as plain data."""
    return {**shared_sections(config), **config["baselines"]["cleannet"], "seed": seed}


def evaluation_settings(config: Config) -> dict[str, Any]:
    """Return the `EvaluationSettings` of a configuration, as plain data."""
    return pick(shared_sections(config), EvaluationSettings)
