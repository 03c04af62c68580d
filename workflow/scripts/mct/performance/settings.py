"""Keys of measurements on random pictures."""

from typing import Annotated

from msgspec import Meta

from mct.base.architectures import ARCHITECTURES
from mct.base.keys import UNIQUE, Count, Settings, one_of, unit
from mct.learning.settings import Precision

Architecture = Annotated[str, one_of(ARCHITECTURES)]
Architectures = Annotated[tuple[Architecture, ...], Meta(min_length=1), UNIQUE]
Counts = Annotated[tuple[Count, ...], Meta(min_length=1), UNIQUE]


class ScalingSettings(Settings, frozen=True, kw_only=True):
    """What is measured on several numbers of ranks."""

    model: Architecture = "alexnet"
    """Architecture of both models in the steps that are timed."""
    size: Annotated[int, Meta(ge=8), unit("pixels")] = 224
    """Height and width of the random pictures in these steps."""
    classes: Annotated[int, Meta(ge=2), unit("classes")] = 14
    """Number of classes of the random pictures."""
    samples_per_rank: Annotated[Count, unit("samples")] = 128
    """Batch of each rank in weak scaling; 128 in the paper."""
    fixed_batch: Annotated[Count, unit("samples")] = 128
    """Global batch of strong scaling."""
    repeats: Annotated[Count, unit("repetitions")] = 5
    """Repetitions of each measurement, after one to warm up."""
    averaged_models: Architectures = ("alexnet", "resnet50")
    """Architectures (with 1,000 classes) whose gradients are summed."""
    gathered_samples: Annotated[Counts, unit("samples")] = (128, 32)
    """Numbers of samples per rank whose confidences are gathered."""
    precision: Precision
    code: str = ""
