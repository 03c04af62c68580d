"""What a person reads where a training diverged."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mct.learning.plan import Plan

ALONE = "the model"
"""The name of a model that is trained alone."""
RATE_KEYS = {
    r"forward_finetuned": "baselines.loss_correction.finetuning_learning_rate",
    r".*_finetuned": "finetuning.learning_rate",
    r".*_distilled": "ensemble.distillation_learning_rate",
    r"collapsed_\d": "ensemble.collapse_learning_rate",
    r"(cycle|snapshot)_\d": "ensemble.learning_rate",
}
"""Of trainings that have a rate of their own, by patterns of their names; the first that fits."""


def describe_divergence(
    stage: str, plan: "Plan", step: int, losses: Mapping[str, NDArray[np.float64]]
) -> str:
    """Return the line about a training that diverged in step number `step` of its plan.

    `losses` are the mean losses (steps,) of the models that diverged, by name. Where the last ones are
    finite, the step made the weights infinite.
    """
    batch = next(plan.batches(step), None)
    rate = plan.rate(batch) if batch else plan.learning_rate
    is_loss = any(not np.isfinite(values[-1:]).all() for values in losses.values())
    known = {name: values[np.isfinite(values)][-1:] for name, values in losses.items()}
    last = [
        f"{value[0]:.6g} of {name}" if len(losses) > 1 else f"{value[0]:.6g}"
        for name, value in known.items()
        if len(value)
    ]
    is_early = batch is not None and plan.seen(batch) < plan.constant_samples
    is_constant = ALONE in losses and (is_early or rate == plan.learning_rate)
    what = "loss is not finite at" if is_loss else "weights are not finite after"
    return (
        f"{stage}: {' and '.join(losses)} diverged: the {what} step {step + 1} of {plan.steps}, "
        f"learning rate {rate:g}; last finite loss: {', '.join(last) or 'none'}; "
        f"lower {rate_key(stage, is_constant=is_constant)}, then run again"
    )


def rate_key(training: str, *, is_constant: bool) -> str:
    """Return the key with the rate of a training, in its part at the constant rate or after that."""
    for pattern, key in RATE_KEYS.items():
        if re.fullmatch(pattern, training):
            return key
    if is_constant or training.startswith("pretrain_"):
        return "pretraining.learning_rate"
    return f"calibration.learning_rate (or calibration.learning_rates.{training})"
