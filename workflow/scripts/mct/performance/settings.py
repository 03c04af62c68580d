"""Keys of what is rehearsed."""

from typing import Annotated

from msgspec import Meta

from mct.base.architectures import ARCHITECTURES
from mct.base.keys import UNIQUE, Count, Settings, one_of, unit
from mct.learning.settings import Precision

Architecture = Annotated[str, one_of(ARCHITECTURES)]


class ScalingSettings(Settings, frozen=True, kw_only=True):
    """What is rehearsed on several numbers of ranks."""

    model: Architecture = "alexnet"
    """Architecture of both models in the steps that are timed."""
    size: Annotated[int, Meta(ge=8), unit("pixels")] = 224
    """Height and width of their random pictures."""
    classes: Annotated[int, Meta(ge=2), unit("classes")] = 14
    """Their classes."""
    samples_per_rank: Annotated[Count, unit("samples")] = 128
    """Batch of a rank in weak scaling; the paper's is 128."""
    fixed_batch: Annotated[Count, unit("samples")] = 128
    """Global batch of strong scaling."""
    repeats: Annotated[Count, unit("repetitions")] = 5
    """Repetitions of each measurement, after one of warm-up."""
    averaged_models: Annotated[tuple[Architecture, ...], Meta(min_length=1), UNIQUE] = (
        "alexnet",
        "resnet50",
    )
    """Architectures (with 1,000 classes) whose gradients are summed."""
    gathered_samples: Annotated[tuple[Count, ...], Meta(min_length=1), unit("samples"), UNIQUE] = (
        128,
        32,
    )
    """Samples of a rank whose confidences are gathered."""
    precision: Precision
    code: str = ""
