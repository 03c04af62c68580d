"""The plan of a calibration, and of any training by its settings; without torch."""

from collections.abc import Mapping
from typing import Any

from mct.base.keys import parse
from mct.base.partition import count_held_out
from mct.base.roles import Role
from mct.calibration.settings import CalibrationSettings
from mct.learning.plan import Plan, plan_training
from mct.learning.schedules import Part, make_course, rate_scale
from mct.learning.settings import TrainingSettings


def plan_calibration(
    settings: CalibrationSettings, set_size: int, role: Role = Role.PRIMARY
) -> Plan:
    """Return the plan of a calibration over the noisy set; with the clean samples of one role."""
    samples = settings.epochs * set_size
    return Plan(
        samples=samples,
        set_size=set_size,
        batch_size=settings.optimizer.batch_size,
        learning_rate=settings.learning_rate * rate_scale(settings.optimizer),
        schedule=make_course(Part(settings.schedule, samples)),
        clean_per_batch=int(getattr(settings, f"clean_per_batch_{role}")),
        local_steps=settings.optimizer.local_steps,
        local_after=settings.optimizer.local_after,
    )


def plan_any(settings: Mapping[str, Any], sizes: Mapping[str, int]) -> Plan:
    """Return the plan of a training by its settings as plain data and the sizes of listed sets.

    A picture that turns out to be unreadable is counted here, and not by the training.
    """
    if "epochs" in settings:
        return plan_calibration(parse(CalibrationSettings, settings), sizes["noisy"])
    training = parse(TrainingSettings, settings)
    names = ("noisy", "clean") if training.training_set == "union" else (training.training_set,)
    size = sum(sizes[name] for name in names)
    return plan_training(training, sizes, size - count_held_out(size, training.held_out))
