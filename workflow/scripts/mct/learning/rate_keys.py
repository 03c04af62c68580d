"""Which key of the configuration has the learning rate of a training."""

FINETUNING = {"forward_finetuned": "baselines.loss_correction.finetuning_learning_rate"}
"""Of trainings that have a rate of their own, by name."""


def rate_key(training: str, *, is_constant: bool) -> str:
    """Return the key with the rate of a training, in its part at the constant rate or after that."""
    if training in FINETUNING:
        return FINETUNING[training]
    if is_constant or training.startswith("pretrain_"):
        return "pretraining.learning_rate"
    return f"calibration.learning_rate (or calibration.learning_rates.{training})"
