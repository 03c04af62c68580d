"""The methods of the accuracy table: what each trains on, for how long, and its published figures.

Equal terms: the deployed model of every baseline sees as many samples as that of method `mct` (to
within the clean ones of a partial batch an epoch), with the same shape of schedule;
`noise_only_compute` instead gets all samples that MCT's two models process.
Models that a method needs before (its pair's pretraining, the net that estimates a confusion) count as
the method's compute. `forward_finetuned` alone sees its fine-tuning in addition to that of `forward`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mct.base.roles import PAIR, ROLES, Role

Epochs = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Method:
    """A row of the table; `training_set` is None where a pair is calibrated.

    `loss` and `weighting` are those of `TrainingSettings`. `section` is where the configuration
    has the method's own settings: of a baseline's confusion and clean samples, or what a pair has
    in place of keys of `calibration`. `continues` names the method whose model is trained on.
    """

    title: str
    training_set: str | None = None
    whole_compute: bool = False
    loss: str = "cross_entropy"
    weighting: str = "equal"
    section: str = ""
    continues: str = ""


METHODS = {
    "noise_only": Method(title="Noise only", training_set="noisy"),
    "noise_only_compute": Method(
        title="Noise only, MCT's compute", training_set="noisy", whole_compute=True
    ),
    "clean_only": Method(title="Clean only", training_set="clean"),
    "clean_noisy": Method(title="Clean + noisy", training_set="union"),
    "forward": Method(
        title="Forward correction", training_set="noisy", loss="forward", section="loss_correction"
    ),
    "backward": Method(
        title="Backward correction",
        training_set="noisy",
        loss="backward",
        section="loss_correction",
    ),
    "forward_finetuned": Method(title="Loss correction", training_set="clean", continues="forward"),
    "glc": Method(title="GLC", training_set="union", loss="forward", section="glc"),
    "cleannet": Method(title="CleanNet", training_set="union", weighting="verified"),
    "oeem": Method(title="OEEM", training_set="noisy", weighting="easiest"),
    "mct_paper": Method(title="MCT (paper)"),
    "mct": Method(title="MCT", section="mct"),
}
PRETRAINING = {
    "pretrain_auxiliary": Method(title="Ma, pretrained on clean", training_set="clean"),
    "pretrain_primary": Method(title="Mp, pretrained on noisy", training_set="noisy"),
}
TRAININGS = {**PRETRAINING, **METHODS}
BASELINES = [name for name, method in METHODS.items() if method.training_set]
CALIBRATED = [name for name, method in METHODS.items() if not method.training_set]
REFERENCE = "mct"
"""The method whose Mp and whose compute set the equal terms."""


def roles_of(method: str) -> tuple[str, ...]:
    """Return the roles of the models that a method makes."""
    if method in CALIBRATED:
        return ROLES
    return (Role.AUXILIARY if method == "pretrain_auxiliary" else Role.PRIMARY,)


def evaluated_roles(method: str) -> tuple[str, ...]:
    """Return the roles that a method is evaluated in: its models, and a calibrated pair together."""
    return (*roles_of(method), PAIR) if method in CALIBRATED else roles_of(method)


def confusion_kind(config: Mapping[str, Any], method: str) -> str | None:
    """Return where a method's confusion comes from, None where it uses none."""
    if method in CALIBRATED:
        section = calibration_section(config, method)
        return section["confusion"] if section["targets"] == "posterior" else None
    if METHODS[method].loss == "cross_entropy":
        return None
    return config["baselines"][METHODS[method].section]["confusion"]


def confusion_key(method: str) -> str:
    """Return the key of the configuration that says where a method's confusion comes from."""
    if method in CALIBRATED:
        return f"{METHODS[method].section or 'calibration'}.confusion"
    return f"baselines.{METHODS[method].section}.confusion"


def preparations(config: Mapping[str, Any], method: str) -> list[str]:
    """Return the trainings whose models a method needs, in their order, without its own."""
    if method in PRETRAINING:
        return []
    if method in CALIBRATED:
        return list(PRETRAINING)
    continued = METHODS[method].continues
    earlier = [*preparations(config, continued), continued] if continued else []
    predicts = confusion_kind(config, method) in ("estimated", "anchors")
    if predicts or METHODS[method].weighting == "verified":
        earlier.insert(0, "pretrain_primary")
    return earlier


def needed_trainings(config: Mapping[str, Any]) -> list[str]:
    """Return all trainings that the configured methods consist of, in the order of `TRAININGS`."""
    needed = {
        name for method in config["methods"] for name in (*preparations(config, method), method)
    }
    return [name for name in TRAININGS if name in needed]


def lineage(method: str, role: str) -> list[str]:
    """Return the trainings that a method's model of a role went through, its own last."""
    if method in CALIBRATED:
        return [f"pretrain_{role}", method]
    continued = TRAININGS[method].continues
    return [*(lineage(continued, role) if continued else ()), method]


def table_terms(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `Terms` of the accuracy table: titles, and what trains the models of each method."""
    names = [*PRETRAINING, *config["methods"]]
    trained = {*PRETRAINING, *needed_trainings(config)}
    return {
        "titles": {name: TRAININGS[name].title for name in names},
        "preparations": {name: preparations(config, name) for name in names},
        "lineages": {n: {role: lineage(n, role) for role in roles_of(n)} for n in names},
        "roles": {name: roles_of(name) for name in TRAININGS if name in trained},
        "reference": REFERENCE,
    }


def stage_epochs(config: Mapping[str, Any], method: str) -> tuple[Epochs, Epochs]:
    """Return epochs at the constant rate and in the decay, in sizes of the named sets.

    For a calibrated pair these are the samples that both models together process. Clean samples
    in a batch of noisy ones count as more epochs.
    """
    pretraining, decay = config["pretraining"], config["calibration"]["epochs"]
    auxiliary, primary = pretraining["epochs_auxiliary"], pretraining["epochs_primary"]
    if method == "pretrain_auxiliary":
        return {"clean": auxiliary}, {}
    if method == "pretrain_primary":
        return {"noisy": primary}, {}
    if METHODS[method].continues:
        return {}, {"clean": config["baselines"]["loss_correction"]["finetuning_epochs"]}
    own = decay * _calibration_shares(config, method if method in CALIBRATED else REFERENCE)
    if METHODS[method].whole_compute or method in CALIBRATED:
        return {"clean": auxiliary, "noisy": primary}, {"noisy": float(own.sum())}
    return {"noisy": primary}, {"noisy": float(own[1])}


def _calibration_shares(config: Mapping[str, Any], method: str) -> NDArray[np.float64]:
    """Return how many samples Ma and Mp learn from or decide on for each noisy one, shape (2,)."""
    section = calibration_section(config, method)
    clean = np.array([section[f"clean_per_batch_{role}"] for role in ROLES])
    return 1 + clean / config["optimizer"]["batch_size"]


def calibration_cost(config: Mapping[str, Any], method: str) -> float:
    """Return what a step of the slower model costs, in steps on the noisy batch alone.

    Predictions for the teacher are forward passes, a third of a step each.
    """
    section = calibration_section(config, method)
    looks_again = section["teacher_average_epochs"] or config["images"]["strong_augmentation"]
    return float(_calibration_shares(config, method).max()) + bool(looks_again) / 3


def rates(config: Mapping[str, Any], method: str) -> tuple[float, float]:
    """Return the constant learning rate and that at the start of the decay."""
    if TRAININGS[method].continues:
        return (config["baselines"]["loss_correction"]["finetuning_learning_rate"],) * 2
    return config["pretraining"]["learning_rate"], decay_rate(config, method)


def decay_rate(config: Mapping[str, Any], method: str) -> float:
    """Return the learning rate at the start of a method's decay."""
    section = config["calibration"]
    return section["learning_rates"].get(method, section["learning_rate"])


def rate_key(training: str, is_decaying: bool) -> str:
    """Return the key of the configuration with the learning rate of a training, in a part of it."""
    method = TRAININGS.get(training)
    if method is None:
        return "its learning rate"
    if method.continues:
        return "baselines.loss_correction.finetuning_learning_rate"
    if training in PRETRAINING or (method.training_set and not is_decaying):
        return "pretraining.learning_rate"
    return f"calibration.learning_rate (or calibration.learning_rates.{training})"


def calibration_section(config: Mapping[str, Any], method: str) -> dict[str, Any]:
    """Return the keys of `calibration` as they are for a method."""
    return {**config["calibration"], **config.get(METHODS[method].section, {})}
