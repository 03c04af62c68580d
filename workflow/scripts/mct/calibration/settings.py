"""Keys of the pair's mutual calibration; their defaults are the paper's form."""

from typing import Annotated, Literal

from mct.base.keys import Count, Natural, NotNegative, Positive, ProperShare, Share, unit
from mct.data.settings import ImageSettings, OrderSettings
from mct.learning.settings import ModelSettings, OptimizerSettings


class DecaySettings(OrderSettings, frozen=True, kw_only=True):
    """For how long and at which rate a pair is calibrated."""

    epochs: Annotated[Count, unit("epochs")] = 10
    """Passes of both models over the noisy set."""
    learning_rate: Positive = 0.1
    """Rate at the start of the decay."""
    schedule: Literal["linear", "cosine", "step"] = "linear"
    """Decay of the rate over the stage; `step` divides by ten at 1/2 and 3/4."""


class PairSettings(DecaySettings, frozen=True, kw_only=True):
    """What both models decide and what each is taught."""

    soft_target_weight: Annotated[Share, unit("fraction")] = 0.5
    """Lambda, weight of the teacher's targets in a taught model's loss; the rest is the observed
    labels'.
    """
    warmup_epochs: Annotated[NotNegative, unit("epochs")] = 0
    """Epochs over which lambda grows from 0 to its value."""
    temperature: Positive = 2
    """Tau, softening of both models' outputs in the soft-target loss."""
    selection: Literal["global", "per_rank", "per_class"] = "global"
    """Samples that are ranked together: the `global` batch (the paper), each rank's own block
    (`per_rank`), or those of one observed class (`per_class`). Groups share the numbers that the
    batch selects.
    """
    selector: Literal["pair", "auxiliary", "primary"] = "pair"
    """Whose confidences decide; `pair` is the mean of both (the paper)."""
    confidence_memory: Annotated[ProperShare, unit("fraction")] = 0
    """Weight of a sample's earlier confidences in what is ranked: a moving average over epochs; 0
    ranks the confidences of the step (the paper).
    """
    strictness: Annotated[ProperShare, unit("fraction")] = 0
    """What is added to P in the first epoch, falling to 0 with the last: a selection that is strict
    at first, then relaxed.
    """
    targets: Literal["soft", "hard", "posterior"] = "soft"
    """What the teacher teaches: its `soft` probabilities, its `hard` decision, or `posterior`, its
    probabilities given the observed label and the confusion of labels.
    """
    taught_samples: Literal["selected", "all"] = "selected"
    """Samples that get the teacher's targets: the `selected` ones (the paper), or `all` of the
    batch; observed labels are learned from selected ones alone.
    """
    taught_models: Literal["primary", "both"] = "primary"
    """Who learns from the teacher, `primary` (Mp alone, the paper) or `both`."""
    teacher: Literal["auxiliary", "pair", "partner"] = "auxiliary"
    """The `auxiliary` model (the paper), the mean prediction of the `pair`, or the `partner`: each
    model learns from the other.
    """
    teacher_average_epochs: Annotated[NotNegative, unit("epochs")] = 0
    """Time constant of the moving averages of weights that predict for the teacher; 0 takes the
    models themselves (the paper). Averages cost a forward pass more.
    """
    teacher_views: Literal[1, 2] = 1
    """Views of a picture that the teacher's predictions are averaged over; the second is mirrored.
    """
    views: Literal["shared", "own"] = "shared"
    """Views of a picture that the models learn from: a `shared` one (the paper), or each its `own`,
    augmented apart, so that a teacher `pair` is a mean over two views.
    """
    sharpening: Positive = 1
    """Exponent of the teacher's probabilities before they teach; above 1 sharpens."""
    clean_per_batch_auxiliary: Annotated[Natural, unit("samples")] = 0
    """Clean samples that Ma learns from in each step, beside its selection."""
    clean_per_batch_primary: Annotated[Natural, unit("samples")] = 0
    """Clean samples that Mp learns from in each step, beside its selection."""


class CalibrationSettings(PairSettings, frozen=True, kw_only=True):
    """The calibration of a pair."""

    images: ImageSettings
    model: ModelSettings
    optimizer: OptimizerSettings
