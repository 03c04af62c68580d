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
from mct.data.settings import Augmentation, ImageSettings, OrderSettings

NET_NAME = r"^((timm|torchvision)/)?[a-z0-9_.]+\Z"
NormShare = Annotated[float, Meta(gt=0, le=1)]
Precision = Literal["auto", "bfloat16", "float32", "float64"]
ShapeName = Literal["constant", "linear", "polynomial", "cosine", "step"]
PartAsText = Annotated[str, Meta(pattern=r"^[0-9]+/[1-9][0-9]*\Z")]
"""A fraction such as 25/90."""


class Phase(Settings, frozen=True, kw_only=True):
    """A phase of a schedule of learning rates, as an item of the list that a key `schedule` can be."""

    share: Annotated[float, Meta(gt=0, le=1)] | PartAsText | None = None
    """Part of the stage's samples: a number, or a fraction such as `25/90` (25 of 90 epochs). Phases
    without a share have equal parts of the rest. All phases together are 1.
    """
    shape: ShapeName = "linear"
    """How the rate goes from the phase's `rate` to zero: `linear`, `polynomial` (with `power`), `cosine`,
    `step` (divided by ten at 1/2 and 3/4), or not at all (`constant`).
    """
    rate: Positive = 1
    """What the stage's learning rate is multiplied with in this phase, where the shape begins."""
    power: Positive = 2
    """Power p of the shape `polynomial`, (1 - progress)^p."""
    cut_at: Annotated[float, Meta(gt=0, le=1), unit("fraction")] = 1
    """Part of the shape after which it is cut: 1 follows it to its end, 0.6 of a `linear` one ends at 0.4
    of the rate.
    """
    warmup: Annotated[ProperShare, unit("fraction")] = 0
    """Part of each cycle in which the rate first rises to the cycle's rate on a straight line. The shape
    has the rest.
    """
    warmup_from: Annotated[Share, unit("fraction")] = 0.1
    """Where the rate starts to rise, in units of the cycle's rate."""
    cycles: Count = 1
    """How often the phase goes through its shape, each time from the start (warm restarts)."""
    cycle_length_factor: Positive = 1
    """How much longer each cycle is than the one before it (T_mult of SGDR)."""
    cycle_rate_factor: Positive = 1
    """What the rate of each cycle is in units of the one before it."""
    weight_decay: NotNegative = 1
    """What `optimizer.weight_decay` is multiplied with in this phase."""
    augmentation: Augmentation | None = None
    """Training augmentation in this phase, a value of `images.augmentation`; null: that key's own."""


Schedule = ShapeName | Annotated[tuple[Phase, ...], Meta(min_length=1)]
"""A word, or a list of phases."""


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
    zero_last_norms: Annotated[bool, ADDED] = False
    """Whether the scale of the last norm of each residual block starts at zero, so that each block
    starts as the identity (Goyal et al., 2017, for large batches). For ResNets, and nets of timm that
    have it, at a random start.
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
    same, and the results equal a run on that many times the ranks. Activations are held for one pass at
    a time. Calibration selects from the whole batch, so its passes run forward twice, which is about a
    third more computation; so does `oeem`.
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
    norm_samples: Annotated[Count | None, ADDED, unit("samples")] = None
    """Number of samples, roughly, that batch norm takes its statistics over, whatever a rank's share of
    the batch is (ghost batch norm: Hoffer, Hubara and Soudry, NeurIPS 2017). A larger block is cut
    into equal groups; ranks with smaller ones are normalised together, in teams of neighbours, with
    two small messages for each norm and step. null: a rank's block. It needs `norm_statistics: block`.
    """
    norm_momentum: Annotated[NormShare | None, ADDED, unit("fraction")] = None
    """Share by which the running statistics of batch norm move towards the statistics of each batch.
    null: the net's own, mostly 0.1. Codreanu et al. (2017) have 0.05 for large batches.
    """
    trust_coefficient: Annotated[NotNegative, ADDED] = 0
    """LARS (You, Gitman and Ginsburg, 2017) for large batches: the learning rate of each weight matrix w
    is multiplied by this number times |w| / (|gradient| + weight_decay |w|); norms and biases keep the
    rate. The paper has 0.001, with much larger learning rates. 0: none. CleanNet's verification has none.
    """
    gradient_wire: Literal["float32", "bfloat16"] = "float32"
    """Type of gradients on their way between ranks; `bfloat16` halves the messages and rounds every
    rank's part and the sum.
    """
    rate_scaling: Annotated[Literal["none", "linear", "sqrt"], ADDED] = "none"
    """How learning rates follow the global batch of a training. With `linear` or `sqrt` all learning
    rates are rates for 256 samples, and are multiplied with batch / 256 or its square root.
    """
    label_smoothing: Annotated[Share, ADDED] = 0
    """Part of each label's probability that is spread evenly over all classes, in the cross-entropy
    with labels of every training. Corrected losses (`forward`, `backward`), losses of a method's own
    and what a teacher teaches are left as they are.
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
    the classifier learns alone. A share `held_out` of the set is left out, drawn by seed. The
    constant epochs have `first_schedule`, those of the decay `schedule`.
    A training that continues another on the same set has a `part` of its own, from which order,
    augmentation and dropout are drawn.
    """

    images: ImageSettings
    model: ModelSettings
    optimizer: OptimizerSettings
    training_set: str
    constant_epochs: dict[str, float]
    decay_epochs: dict[str, float]
    learning_rate: float
    decay_learning_rate: float
    schedule: Schedule
    loss: str = "cross_entropy"
    weighting: str = "equal"
    clean_per_batch: int = 0
    classifier_epochs: float = 0.0
    held_out: Annotated[float, ADDED] = 0.0
    part: Annotated[int, ADDED] = 0
    first_schedule: Annotated[Schedule, ADDED] = "constant"
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
