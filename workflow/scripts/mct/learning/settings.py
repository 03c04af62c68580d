"""Keys of one model: its architecture, its updates, its training."""

from typing import Annotated, Literal

from msgspec import Meta

from mct.base.architectures import ARCHITECTURES
from mct.base.keys import (
    ADDED,
    Count,
    NotNegative,
    Positive,
    ProperShare,
    Settings,
    Share,
    examples,
    unit,
)
from mct.data.settings import ImageSettings, OrderSettings

NET_NAME = r"^((timm|torchvision)/)?[a-z0-9_.]+\Z"
Precision = Literal["auto", "bfloat16", "float32", "float64"]


class ModelSettings(Settings, frozen=True, kw_only=True):
    """Architecture, start and arithmetic of a model; `code` is the digest of a module that builds it."""

    name: Annotated[str, Meta(pattern=NET_NAME), examples(ARCHITECTURES)] = "small_cnn"
    """Architecture by name: one of ours (small_cnn, cifar_resnet18, cifar_resnet34), or any
    classification net of torchvision or timm, torchvision's where both have the name;
    `torchvision/NAME` and `timm/NAME` choose. timm is installed by requirements.txt.
    """
    initial_weights: str | None = None
    """What to start from: `imagenet`, the weights that the net's library has for it, which a job
    fetches; or a file of weights (.safetensors or torch state dict, alone or in a trainer's
    checkpoint), which is checked before anything runs. The classifier starts at random unless
    `keep_classifier` is true. null starts at random. With weights the net's own `images.size`,
    `mean` and `std` hold where these are not given.
    """
    keep_classifier: bool = False
    """Whether the classifier of `initial_weights` is kept: true for weights that were trained on
    the same classes in the same order. A file for another number of classes is then refused.
    """
    trainable: Literal["all", "classifier"] | Count = "all"
    """Parts of the net that learn: `all`, its last n stages and the classifier, or the `classifier`
    alone. What does not learn keeps its parameters and the statistics of its norms, and needs
    weights to start from.
    """
    precision: Precision = "auto"
    """Arithmetic of forward and backward: `auto` is bfloat16 autocast where the processor or GPU
    has it, else float32. For nets that the table of ours does not list a job measures first whether
    bfloat16 is the faster one.
    """
    code: str = ""


class OptimizerSettings(Settings, frozen=True, kw_only=True):
    """Stochastic gradient descent over a global batch of `batch_size` samples."""

    momentum: ProperShare = 0.9
    """Momentum of SGD."""
    nesterov: bool = True
    """Whether the momentum is Nesterov's."""
    weight_decay: NotNegative = 0.0005
    """L2 decay of weights."""
    batch_size: Annotated[Count, unit("samples")] = 64
    """Global batch, all ranks of one model together."""
    accumulation: Annotated[Count, unit("passes"), ADDED] = 1
    """Passes in which each rank computes its part of a batch before one update. The batch stays the
    same, and results are those of that many times the ranks; activations are held for one pass at a
    time. Calibration selects from the whole batch, so its passes, and those of a baseline that selects
    the easiest samples, run forward twice: about a third more computation.
    """
    local_steps: Annotated[Count, unit("steps"), ADDED] = 1
    """Steps between two averages of a model's parameters over its ranks (local SGD; Stich, 2019). Between
    them each rank updates with the gradient of its own part of a batch, so results depend on the number
    of ranks. Parameters are averaged at the end of an epoch too; momentum stays with each rank. 1 sums
    gradients in every step.
    """
    local_after: Annotated[Share, unit("fraction"), ADDED] = 0
    """Part of a training, counted in samples, in which gradients are summed in every step, before
    `local_steps` begins (post-local SGD; Lin et al., 2020).
    """
    norm_statistics: Literal["block", "batch", "stored"] = "block"
    """What batch norm takes its statistics from: each rank's own `block` of a batch, the whole
    global `batch` (synchronised: two small messages for each norm and step), or the `stored` ones
    that the model starts with, which stay (for pretrained nets).
    """
    classifier_rate: NotNegative = 1
    """What the classifier's learning rate is multiplied with."""
    stage_rate_decay: Annotated[Positive, unit("fraction")] = 1
    """What the learning rate of each stage is multiplied with, once for every stage between it and
    the classifier and once for itself.
    """
    gradient_wire: Literal["float32", "bfloat16"] = "float32"
    """Type of gradients on their way between ranks; `bfloat16` halves the messages and rounds every
    rank's part and the sum.
    """


class EvaluationSettings(Settings, frozen=True, kw_only=True):
    """What turns weights and test shards into predictions."""

    images: ImageSettings
    model: ModelSettings


class LearnerSettings(EvaluationSettings, frozen=True, kw_only=True):
    """What the steps of a training compute, whatever it trains on."""

    optimizer: OptimizerSettings


class EstimationSettings(EvaluationSettings, frozen=True, kw_only=True):
    """How a model estimates the noise rate: on at most `samples` noisy pictures, drawn by seed."""

    samples: int
    seed: int


class StrengthSettings(EvaluationSettings, frozen=True, kw_only=True):
    """Which share of the clean set a run's Ma was not trained on."""

    held_out: float
    seed: int


class TrainingSettings(OrderSettings, frozen=True, kw_only=True):
    """One model trained alone: a pretraining job or a baseline.

    Samples seen are sums over sets of epochs x size of the set, so that methods with different
    training sets see equally many; those of `clean_per_batch` are among them. `loss` is that of
    labels nobody verified, `weighting` how much each counts (see `mct.learning.objectives`); `code`
    is the digest of the module that a loss of its own is in. In the first `classifier_epochs` passes
    the classifier learns alone. A share `held_out` of the set is left out, drawn by seed.
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
    loss: str = "cross_entropy"
    weighting: str = "equal"
    clean_per_batch: int = 0
    classifier_epochs: float = 0.0
    held_out: Annotated[float, ADDED] = 0.0
    code: str = ""


class CleanNetSettings(EvaluationSettings, frozen=True, kw_only=True):
    """Training of CleanNet's verification on features of a model."""

    epochs: Annotated[Count, unit("epochs")] = 40
    """Passes over the clean set's features that the number of steps is worth; each step draws its
    samples with replacement.
    """
    learning_rate: Positive = 0.1
    """Rate at the start of a linear decay."""
    width: Count = 128
    """Size of the embeddings of pictures and classes."""
    optimizer: OptimizerSettings
    seed: int
