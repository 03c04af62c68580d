"""What parts of a configuration ask of others: counting of pictures, rules of methods."""

from collections.abc import Collection, Mapping
from typing import Any

from mct.base.architectures import check_input_size
from mct.base.errors import UserError
from mct.base.keys import parse
from mct.calibration.settings import CalibrationSettings
from mct.data.layouts.base import Layout
from mct.experiment import methods
from mct.experiment.method import Training
from mct.learning.settings import TrainingSettings


def check_confusions(config: Mapping[str, Any], layout: Layout) -> None:
    """Raise UserError where something is to be counted that a layout has no pictures for."""
    layout_name = config["dataset"]["layout"]
    if config["dataset"]["noise_rate"] == "counted" and not layout.counts_rate:
        raise UserError(
            "dataset.noise_rate: `counted` needs clean pictures whose observed label is known, "
            f"and layout {layout_name} has none; give a number"
        )
    if layout.counts_confusion:
        return
    for name in methods.needed_trainings(config):
        method = methods.TRAININGS[name]
        if method.confusion_kind(config) == "counted":
            raise UserError(
                f"{method.confusion_key}: `counted` needs clean pictures whose observed "
                f"label is known, and layout {layout_name} has none; take "
                f"`estimated` (or `anchors`), or leave out {name} and what starts from it"
            )


def check_methods(config: Mapping[str, Any]) -> None:
    """Raise UserError where a method names a function, a section or a key that is not there."""
    for name in methods.needed_trainings(config):
        method = methods.TRAININGS[name]
        is_alone = isinstance(method, Training)
        sections = config["baselines"] if is_alone else config
        changes = getattr(method, "changes", {})
        for key in {*changes} - {*config["calibration"]} | {method.section} - {"", *sections}:
            raise UserError(f"method {name}: the configuration has no {key!r}; correct the method")
        parse(TrainingSettings if is_alone else CalibrationSettings, method.settings(config, 0))


def check_rules(config: Mapping[str, Any], names: Collection[str], *, judges: bool) -> None:
    """Raise UserError where rules that are to run lack what only a configuration can give.

    `judges` says whether one of its methods judges labels.
    """
    if not judges and not {"judge_labels", "list_suspects"}.isdisjoint(names):
        raise UserError("methods: suspects are found by a calibrated pair; add mct (or mct_paper)")
    if "measure_scaling" in names:
        section = config["scaling"]
        check_input_size(section["model"], section["size"], "scaling.size")
