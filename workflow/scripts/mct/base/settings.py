"""Settings of stages: parts of the resolved configuration as frozen dataclasses.

Each stage gets the part that it uses as JSON, and `parse` makes a dataclass of that.
"""

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, TypeVar, Union, get_origin, get_type_hints

from mct.base.errors import UserError

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoiseSettings:
    """Wrong labels made from true ones: by a rate or by a matrix."""

    kind: str = "none"
    rate: float | None = None
    matrix: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class DatasetSettings:
    """What the catalogue is made from; see the schema for each key.

    Keys with a default concern some layouts only.
    """

    layout: str
    root: str | None
    measuring_labels: str | None
    synthetic_noise_rate: float
    synthetic_clean_fraction: float
    seed: int
    archives: bool = False
    clean_fraction: float | None = None
    validation_fraction: float = 0.1
    clean_root: str | None = None
    test_root: str | None = None
    subset: str = "all"
    label_set: str = "worse_label"
    table: str = "table.csv"
    classes: tuple[str | int, ...] | str | None = None
    synthetic_noise: NoiseSettings = NoiseSettings()


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShardSettings:
    """How shards keep pictures."""

    size: int
    encoding: str
    short_side: int | None
    quality: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """What happens to a decoded picture on its way to a model."""

    size: int
    augmentation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    reduced_decoding: bool = False
    strong_augmentation: float = 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """Architecture, start and arithmetic of a model."""

    name: str
    initial_weights: str | None
    precision: str
    keep_classifier: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """Stochastic gradient descent over a global batch of `batch_size` samples."""

    momentum: float
    nesterov: bool
    weight_decay: float
    batch_size: int
    gradient_wire: str = "float32"
    norm_statistics: str = "block"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """One model trained alone: a pretraining job or a baseline.

    Samples seen are sums over sets of epochs x size of the set, so that methods with different
    training sets see equally many; those of `clean_per_batch` are among them. `loss` is that of
    labels nobody verified, `weighting` how much each counts (see `mct.learning.objectives`).
    """

    images: ImageSettings
    model: ModelSettings
    optimizer: OptimizerSettings
    training_set: str
    constant_epochs: dict[str, float]
    decay_epochs: dict[str, float]
    learning_rate: float
    decay_learning_rate: float
    schedule: str
    seed: int
    shuffle_window: int = 0
    loss: str = "cross_entropy"
    weighting: str = "equal"
    clean_per_batch: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class CalibrationSettings:
    """The pair's mutual calibration; see the schema's section `calibration`.

    The defaults are the paper's form.
    """

    images: ImageSettings
    model: ModelSettings
    optimizer: OptimizerSettings
    epochs: int
    learning_rate: float
    schedule: str
    soft_target_weight: float
    temperature: float
    targets: str
    selection: str
    selector: str
    seed: int
    shuffle_window: int = 0
    taught_samples: str = "selected"
    taught_models: str = "primary"
    teacher: str = "auxiliary"
    teacher_average_epochs: float = 0.0
    clean_per_batch_auxiliary: int = 0
    clean_per_batch_primary: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class CleanNetSettings:
    """Training of CleanNet's verification on features of a model."""

    images: ImageSettings
    model: ModelSettings
    optimizer: OptimizerSettings
    epochs: int
    learning_rate: float
    width: int
    seed: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """What turns weights and test shards into predictions."""

    images: ImageSettings
    model: ModelSettings


@dataclasses.dataclass(frozen=True, kw_only=True)
class EstimationSettings(EvaluationSettings):
    """How a model estimates the noise rate: on at most `samples` noisy pictures, drawn by seed."""

    samples: int
    seed: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScalingSettings:
    """What is rehearsed on several numbers of ranks; see the schema's section `scaling`."""

    model: str
    size: int
    classes: int
    precision: str
    samples_per_rank: int
    fixed_batch: int
    repeats: int
    averaged_models: tuple[str, ...]
    gathered_samples: tuple[int, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExecutionSettings:
    """How a stage runs; nothing here changes what it computes beyond rounding."""

    device: str = "auto"
    threads_per_rank: int = 1
    prefetch_batches: int = 2
    loader_threads: int = 0
    share_batches: bool = True
    bucket_bytes: int = 4 << 20
    allreduce: str = "auto"
    checkpoint_minutes: float = 10.0
    checkpoint_steps: int = 0
    gigaflops_per_thread: float = 20.0
    gigaflops_per_gpu: float = 5000.0
    stall_minutes: float = 20.0
    picture_threads: int = 2
    srun_mpi: str | None = None

    @property
    def decoding_threads(self) -> int:
        """The threads of each rank that decode pictures."""
        return self.loader_threads or self.threads_per_rank


def parse(cls: type[T], data: Mapping[str, Any]) -> T:
    """Return a settings dataclass from parsed JSON; unknown and missing keys are refused."""
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    required = {name for name, field in fields.items() if field.default is dataclasses.MISSING}
    wrong = sorted((set(data) - set(fields)) | (required - set(data)))
    if wrong:
        raise UserError(f"{cls.__name__}: unknown or missing keys: {', '.join(wrong)}")
    hints = get_type_hints(cls)
    return cls(**{name: _parse_value(hints[name], value) for name, value in data.items()})


def _parse_value(hint: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return parse(hint, value)
    if get_origin(hint) in (Union, types.UnionType) and value is None:
        return None
    if get_origin(hint) is tuple:
        return tuple(value)
    if hint is float and isinstance(value, int):
        return float(value)
    return value


def pick(section: Mapping[str, Any], cls: type) -> dict[str, Any]:
    """Return the keys of `section` that `cls` has as fields."""
    return {
        field.name: section[field.name]
        for field in dataclasses.fields(cls)
        if field.name in section
    }
