"""Keys of the pair's mutual calibration; their defaults are the paper's form."""

from typing import Annotated, Literal

from mct.base.keys import (
    BatchSize,
    Count,
    CountOrShare,
    NotNegative,
    Positive,
    Share,
    quick_start,
    unit,
)
from mct.data.settings import ImageSettings, OrderSettings
from mct.learning.settings import ModelSettings, OptimizerSettings, Schedule


class DecaySettings(OrderSettings, frozen=True, kw_only=True):
    """For how long and at which rate a pair is calibrated."""

    epochs: Annotated[Count, unit("epochs"), quick_start(8)] = 10
    """Passes of both models over the noisy set."""
    learning_rate: Annotated[Positive, quick_start(0.0125)] = 0.1
    """Rate at the start of the decay."""
    schedule: Schedule = "linear"
    """How the rate goes over the stage, also over the second part of baselines and over fine-tuning: the
    word for a shape, or a list of phases. See `pretraining.schedule`.
    """


class PairSettings(DecaySettings, frozen=True, kw_only=True):
    """What both models decide and what each is taught."""

    soft_target_weight: Annotated[Share, unit("fraction")] = 0.5
    """Lambda, weight of the teacher's targets in a taught model's loss; the rest is the observed
    labels'.
    """
    temperature: Positive = 2
    """Tau, softening of both models' outputs where targets are `soft` or `posterior`."""
    selection: Literal["global", "per_rank", "per_class", "class_floor"] = "global"
    """Samples that are ranked together: the `global` batch (the paper), each rank's own block
    or pass (`per_rank`), or one observed class (`per_class`). Groups share the numbers that the
    batch selects. `class_floor` is global, but each observed class keeps half of what `per_class` gives it.
    """
    certain_at: Literal["rate", "upper"] = "rate"
    """The noise rate of Ma's number M (Eq. 1): P itself (the paper), or the `upper` end of its 95 %
    interval where P is counted, which selects fewer.
    """
    certain_batch: Annotated[BatchSize | None, unit("samples")] = None
    """Ma selects the share M / B (Eq. 1) that a batch of this size has; null is the batch itself (the
    paper). The share grows with the batch: at P = .4 it is 49 % of 128 and 58 % of 2,375.
    """
    selector: Literal["pair", "auxiliary", "primary"] = "pair"
    """Whose confidences decide; `pair` is the mean of both (the paper)."""
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
    teacher: Literal["auxiliary", "pair"] = "auxiliary"
    """The `auxiliary` model (the paper), or the mean prediction of the `pair`."""
    teacher_average_epochs: Annotated[NotNegative, unit("epochs")] = 0
    """Time constant of the moving averages of weights that predict for the teacher; 0 takes the
    models themselves (the paper). Averages cost a forward pass more.
    """
    clean_per_batch_auxiliary: Annotated[CountOrShare, unit("samples")] = 0
    """Clean samples that Ma learns from in each step, in addition to its selection: a number, or below
    1 a share of the batch, which holds for any batch.
    """
    clean_per_batch_primary: Annotated[CountOrShare, unit("samples")] = 0
    """Clean samples that Mp learns from in each step, in addition to its selection: a number, or below
    1 a share of the batch.
    """


class CalibrationSettings(PairSettings, frozen=True, kw_only=True):
    """The calibration of a pair.

    A variant may name functions of its own, as `module:function`: `teaching` in place of what
    `targets` says, `selecting` in place of `select_within`; `code` is the digest of their modules.
    """

    images: ImageSettings
    model: ModelSettings
    optimizer: OptimizerSettings
    teaching: str = ""
    selecting: str = ""
    code: str = ""
