"""How many samples each model of the pair learns from, by the settings of a calibration."""

from collections import Counter

from mct.base.partition import plan_batches
from mct.base.roles import ROLES, Role
from mct.calibration.settings import CalibrationSettings
from mct.labels.selection import cut_batch


def count_learned(
    settings: CalibrationSettings, role: str, *, batch: int, selected: int, clean: int
) -> int:
    """Return how many samples the loss of a model depends on, of some batches together.

    They have `batch` noisy samples, of which the model selects `selected`, and `clean` clean ones.
    """
    is_taught = role == Role.PRIMARY or settings.taught_models == "both"
    weight = settings.soft_target_weight if is_taught else 0.0
    taught = batch if settings.taught_samples == "all" else selected
    by_teacher = taught if weight > 0 and not _teaches_itself(settings, role) else 0
    return clean + max(selected if weight < 1 else 0, by_teacher)


def selection_counts(settings: CalibrationSettings) -> bool:
    """Return whether a model learns otherwise from what it selects than from the rest."""
    return settings.soft_target_weight < 1 or settings.taught_samples == "selected"


def _teaches_itself(settings: CalibrationSettings, role: str) -> bool:
    """Return whether a model's targets are its own outputs, of which the gradient is zero."""
    is_own = role == settings.teacher == Role.AUXILIARY and settings.targets == "soft"
    sees_other = settings.teacher_average_epochs > 0 or settings.images.strong_augmentation > 0
    return is_own and not sees_other


def plan_learned(settings: CalibrationSettings, samples: int, noise_rate: float) -> dict[str, int]:
    """Return how many samples each model will learn from, of a noisy set of `samples` at a given P."""
    learned: dict[str, int] = dict.fromkeys(ROLES, 0)
    size = settings.optimizer.batch_size
    sizes = Counter(batch.size for batch in plan_batches(samples, samples, size))
    for role in ROLES:
        clean = getattr(settings, f"clean_per_batch_{role}")
        for size, batches in sizes.items():
            selected = cut_batch(size, noise_rate, certain_batch=settings.certain_batch)[role.place]
            count = count_learned(settings, role, batch=size, selected=selected, clean=clean)
            learned[role] += settings.epochs * batches * count
    return learned
