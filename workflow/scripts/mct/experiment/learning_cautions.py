"""Settings with which a model learns nothing, seen before anything runs."""

from collections.abc import Mapping
from typing import Any

from mct.base.keys import parse
from mct.base.roles import Role
from mct.calibration.settings import CalibrationSettings
from mct.experiment.pair import CALIBRATIONS, Calibration

CUTS = {Role.AUXILIARY: "M = 0, Eq. 1", Role.PRIMARY: "N = 0, Eq. 2"}


def learning_cautions(config: Mapping[str, Any], sizes: Mapping[str, int]) -> list[str]:
    """Return a line for each model that a training of the configuration would leave as it is.

    A counted P is not known before the noise is estimated; the table of accuracy says it then.
    """
    finetuning = config["baselines"]["loss_correction"]["finetuning_epochs"]
    lines = []
    if "forward_finetuned" in config["methods"] and not finetuning:
        lines.append(
            "forward_finetuned: without fine-tuning epochs it is identical to forward; raise "
            "baselines.loss_correction.finetuning_epochs"
        )
    rate = config["dataset"]["noise_rate"]
    if not isinstance(rate, str):
        for name in filter(CALIBRATIONS.__contains__, config["methods"]):
            lines += _pair_cautions(config, CALIBRATIONS[name], sizes["noisy"], rate)
    return lines


def _pair_cautions(
    config: Mapping[str, Any], method: Calibration, samples: int, rate: float
) -> list[str]:
    from mct.calibration.learned_samples import plan_learned  # scipy takes a moment to import

    settings = parse(CalibrationSettings, method.settings(config, 0))
    section = method.section or "calibration"
    learned = plan_learned(settings, samples, rate)
    return [
        f"{method.name}: {role.symbol} is not trained during calibration: at P = {rate:g} no sample of a "
        f"batch of {settings.optimizer.batch_size} is selected ({cut}); raise "
        f"optimizer.batch_size or {section}.clean_per_batch_{role}"
        for role, cut in CUTS.items()
        if not learned[role]
    ]
