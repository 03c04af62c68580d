"""What parts of a configuration ask of others: counting of pictures, rules of methods."""

from collections.abc import Collection, Mapping
from typing import Any

from mct.base.architectures import check_input_size
from mct.base.errors import UserError
from mct.data.layouts.base import Layout
from mct.experiment import methods


def check_confusions(config: Mapping[str, Any], layout: Layout) -> None:
    """Raise UserError where something is to be counted that a layout has no pictures for."""
    name = config["dataset"]["layout"]
    if config["dataset"]["noise_rate"] == "counted" and not layout.counts_rate:
        raise UserError(
            "dataset.noise_rate: `counted` needs clean pictures whose observed label is known, "
            f"and layout {name} has none; give a number"
        )
    if layout.counts_confusion:
        return
    for name in methods.needed_trainings(config):
        method = methods.TRAININGS[name]
        if method.confusion_kind(config) == "counted":
            raise UserError(
                f"{method.confusion_key}: `counted` needs clean pictures whose observed "
                f"label is known, and layout {name} has none; take "
                f"`estimated` (or `anchors`), or leave out {method} and what starts from it"
            )


def check_rules(config: Mapping[str, Any], names: Collection[str], *, judges: bool) -> None:
    """Raise UserError where rules that are to run lack what only a configuration can give.

    `judges` says whether one of its methods judges labels.
    """
    if not judges and not {"judge_labels", "list_suspects"}.isdisjoint(names):
        raise UserError("methods: suspects are found by a calibrated pair; add mct (or mct_paper)")
    if "measure_scaling" in names:
        section = config["scaling"]
        check_input_size(section["model"], section["size"], "scaling.size")
