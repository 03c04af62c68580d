"""Keys that the workflow alone uses: no stage reads them, or only as an option of its command."""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from mct.base.keys import (
    UNIQUE,
    Count,
    CountOrShare,
    Natural,
    NotNegative,
    Positive,
    ProperShare,
    Settings,
    Share,
    one_of,
    quick_start,
    unit,
)
from mct.data.layouts.registry import LAYOUTS
from mct.experiment.baselines import BASELINES, EQUAL_SAMPLES, FINETUNED, FineTuning
from mct.experiment.ensembles import MOST_CYCLES, ROWS
from mct.experiment.pair import CALIBRATIONS
from mct.learning.settings import Phase, Schedule

Seed = Annotated[int, Meta(ge=0, lt=2**32)]
Even = Annotated[int, Meta(ge=2, multiple_of=2)]
WorldSizes = Annotated[tuple[Even, ...], unit("MPI ranks"), UNIQUE]
METHODS = {**BASELINES, **CALIBRATIONS}
MethodName = Annotated[str, one_of([*METHODS, *ROWS])]
FinetunedName = Annotated[str, one_of(method.continues.name for method in FINETUNED.values())]
DECAYING = [name for name, method in METHODS.items() if not isinstance(method, FineTuning)]
"""Methods whose rate decays as in calibration; the others have a rate of their own."""
Confusion = Literal["counted", "solved", "estimated", "anchors"]


class ExperimentSettings(Settings, frozen=True, kw_only=True):
    """What is run, and where its results go."""

    experiment: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*\Z"), quick_start("digits")
    ]
    """Name of the experiment; results go to <results>/<experiment>/. Required unless layout is digits."""
    results: Annotated[str, Meta(pattern=r"^[\w./][\w./+=@-]*\Z")] = "results"
    """Folder for the results of all experiments. Its name has no spaces and no other characters that
    are special to a shell or to Snakemake.
    """
    seeds: Annotated[tuple[Seed, ...], Meta(min_length=1), UNIQUE, quick_start((0, 1, 2))] = (0,)
    """Seeds of the repeated runs; tables report mean and standard deviation over seeds."""
    ranks: Annotated[WorldSizes, Meta(min_length=1), quick_start((2,))] = (4,)
    """Numbers of ranks of calibration. Each must be even, since calibration has two groups of equal
    size. The two pretraining jobs share as many ranks, and a baseline has as many (or half of them,
    see `baselines.ranks`).
    """
    methods: Annotated[
        tuple[MethodName, ...],
        Meta(min_length=1),
        UNIQUE,
        quick_start(("noise_only", "clean_only", "clean_noisy", "mct_paper", "mct")),
    ] = (
        "noise_only",
        "noise_only_compute",
        "clean_only",
        "clean_noisy",
        "mct_paper",
        "mct",
    )
    """Rows of the accuracy table, in this order; `finetuning` adds rows."""
    variants: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Further rows, by name: a method with other keys, as in `{mct_long: {of: mct, calibration: {epochs:
    20}}}`. A variant may change `calibration`, `mct`, `baselines`, `pretraining`, `optimizer` (not the
    batch of a rank), `finetuning` (of fine-tuned methods), and have a `title`. It shares all trainings
    that it does not change.
    """
    split: Literal["test", "validation"] = "test"
    """The held-out set that models are evaluated on; tune on `validation`."""


class SourceSettings(Settings, frozen=True, kw_only=True):
    """What the data set is called, and how it is checked."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]+\Z"), quick_start("digits")]
    """Name of the data set in paths, tables and figures. Required unless layout is digits."""
    layout: Annotated[str, one_of(LAYOUTS)] = "digits"
    """How the data set's files are arranged; each layout is a module of mct/data/layouts."""
    check_files: bool = True
    """Check before the first job, also in a dry run, that every listed picture exists. The check is
    repeated only when a list or folder changed. If false, the job that makes the catalogue checks.
    """
    noise_rate: Annotated[ProperShare | Literal["counted"], unit("fraction"), quick_start(0.4)]
    """P, the share of wrong labels in the noisy set. `counted`: the share on clean pictures whose
    observed label is known, and on verified labels of food101n. Required unless layout is digits:
    a wrong value silently selects the wrong samples.
    """
    noise_samples: Annotated[Count, unit("pictures")] = 20_000
    """Maximum number of noisy pictures (drawn by seed) on which Ma estimates P. The table of noise
    rates compares that estimate with `noise_rate`.
    """
    reviews: Annotated[tuple[str, ...], UNIQUE] = ()
    """Files of reviewed labels: tables with the columns `key` (as in the list of suspects) and `label` (a
    class; empty or `?` is not decided). Reviewed pictures of the noisy set join the clean set with
    that label. They are trained on, and left out where wrong labels are counted; see
    docs/wrong_labels.md.
    """
    quarantine_share: Annotated[Share, unit("fraction")] = 0.01
    """Share of a set's pictures that may be unusable. Unusable pictures are left out and listed in
    catalogue/<dataset>.quarantine.tsv. If there are more, the run stops after the inspection.
    """


class InspectionSettings(Settings, frozen=True, kw_only=True):
    """How every picture is judged."""

    parts: Annotated[Count, unit("jobs")] = 1
    """Number of jobs that inspect the pictures."""
    most_pixels: Annotated[int, Meta(ge=1, le=178956970), unit("pixels")] = 64_000_000
    """Pictures with more pixels are left out."""


class ShardCounts(Settings, frozen=True, kw_only=True):
    """How many shards there are."""

    count: Annotated[Count, unit("files"), quick_start(2)] = 4
    """Number of shards for the pictures of all sets. Pictures that are listed later form new shards."""


class BatchSettings(Settings, frozen=True, kw_only=True):
    """A batch that grows with the ranks."""

    batch_per_rank: Annotated[Count | None, unit("samples")] = None
    """Batch of each rank of a model, in place of `batch_size`. The global batch is this number times
    the ranks that train the model: its own in pretraining and of a baseline, the pairs in
    calibration. CleanNet's verification, which has one rank, takes it as it is.
    """


class PretrainingSettings(Settings, frozen=True, kw_only=True):
    """How long and at which rate both models are pretrained."""

    learning_rate: Positive = 0.1
    """Learning rate of both models and of the first part of baselines."""
    schedule: Annotated[Schedule, quick_start("linear")] = "constant"
    """How the rate goes over each pretraining and over the first part of baselines: the word for a shape
    (`constant`, `linear`, `polynomial`, `cosine`, or `step`, which divides by ten at 1/2 and 3/4), or a
    list of phases; see docs/large_batches.md.
    """
    epochs_auxiliary: Annotated[Count, unit("epochs")] = 40
    """Number of passes of Ma over the clean set."""
    epochs_primary: Annotated[Count, unit("epochs"), quick_start(8)] = 10
    """Number of passes of Mp over the noisy set."""
    classifier_epochs: Annotated[NotNegative, unit("epochs")] = 0
    """Epochs at the start of every training in which the classifier learns alone: the rest waits until
    it is no longer random. They are among the others.
    """
    held_out_clean: Annotated[ProperShare, unit("fraction")] = 0
    """Share of the clean set that Ma's pretraining leaves out, drawn by seed. How well Ma knows it
    decides how strongly `posterior` targets correct labels, which the record says. With 0 they do so
    fully.
    """


class MethodRates(Settings, frozen=True, kw_only=True):
    """Where rates of methods differ."""

    learning_rates: Annotated[
        dict[str, Positive], Meta(extra_json_schema={"propertyNames": {"enum": DECAYING}})
    ] = field(default_factory=dict)
    """Rates at the start of the decay, by method, where they differ from `learning_rate`; for example
    `{mct: 0.2}`. `forward_finetuned` has its own key.
    """


class ConfusionSettings(Settings, frozen=True, kw_only=True):
    """Where the confusion of labels comes from."""

    confusion: Confusion = "counted"
    """Source of P(observed | true) for `posterior` targets. `counted`: clean pictures whose observed
    label is known. `solved`: from the predictions for noisy pictures of the Ma that the first run
    pretrained, given how it confuses validation pictures (`dataset.noise_samples`); all runs share it.
    `estimated`: the mean prediction of pretrained Mp for the clean pictures of each class (GLC).
    `anchors`: pretrained Mp's predictions for noisy pictures, without clean ones.
    """


class FinetuningSettings(Settings, frozen=True, kw_only=True):
    """A last phase on the clean set."""

    methods: Annotated[tuple[FinetunedName, ...], UNIQUE] = ()
    """Methods whose deployed model is also trained on the clean set, after its last epoch: each gives
    a row `<title>, fine-tuned` below its own, and its results are those of `<method>_finetuned`.
    `forward_finetuned` is a method of its own.
    """
    epochs: Annotated[Count, unit("epochs")] = 2
    """Number of passes over the clean set."""
    learning_rate: Positive = 0.001
    """Rate at the start of these passes; it decays as in calibration."""


class EnsembleSettings(Settings, frozen=True, kw_only=True):
    """Ensembles of one training budget, and their distillation."""

    of: Annotated[str, one_of(EQUAL_SAMPLES)] = "noise_only"
    """Method whose loss, labels and number of samples the trainings of the ensembles have."""
    cycles: Annotated[int, Meta(ge=2, le=MOST_CYCLES)] = 4
    """Number of cycles, and of models in an ensemble."""
    learning_rate: Positive | None = None
    """Rate at the start of the first cycle. null: `pretraining.learning_rate`."""
    rate_factor: Annotated[Positive, unit("fraction")] = 1
    """What the rate at the start is multiplied with from one cycle to the next."""
    schedule: Schedule = "cosine"
    """How the rate goes over each cycle: a word or a list of phases, see `pretraining.schedule`."""
    collapse_share: Annotated[ProperShare, unit("fraction")] = 0.2
    """Part of the samples of `collapsed_ensemble` that its collapses see together."""
    collapse_learning_rate: Positive = 0.01
    """Rate at the start of a collapse."""
    collapse_schedule: Schedule = (Phase(shape="polynomial", weight_decay=2),)
    """How the rate goes over each collapse. The paper doubles the weight decay, and switches changes of
    scale and aspect off; add `augmentation: flip` where pictures are cropped at random.
    """
    distillation_epochs: Annotated[Count, unit("epochs")] = 2
    """Passes over the noisy set of the methods `*_distilled`."""
    distillation_learning_rate: Positive = 0.01
    """Rate at the start of these passes; it decays as in calibration."""


class BaselineSettings(Settings, frozen=True, kw_only=True):
    """The ranks of baselines."""

    ranks: Literal["all", "half"] = "all"
    """Ranks of a baseline: `all` ranks of the run, or `half` of them. One model of the pair has half
    the ranks, so with `half` a rank of a baseline gets as many samples of a batch.
    """


class CorrectionSettings(Settings, frozen=True, kw_only=True):
    """Methods that correct the loss."""

    confusion: Confusion = "counted"
    """Source of P(observed | true), see `calibration.confusion`."""
    finetuning_epochs: Annotated[Natural, unit("epochs")] = 10
    """Number of passes of `forward_finetuned` over the clean set, after the passes of `forward`."""
    finetuning_learning_rate: Positive = 0.01
    """Rate at the start of these passes; it decays as in calibration."""


class GoldSettings(Settings, frozen=True, kw_only=True):
    """Gold loss correction."""

    confusion: Confusion = "estimated"
    """Source of P(observed | true), see `calibration.confusion`; the method's paper has `estimated`."""
    clean_per_batch: Annotated[CountOrShare, unit("samples")] = 16
    """Number of clean samples in each step in addition to the batch, or below 1 a share of it."""


class SuspectSettings(Settings, frozen=True, kw_only=True):
    """What is shown of suspects."""

    shown: Annotated[Count, unit("pictures")] = 2000
    """Number of pictures on the page, the surest first. The list has all. 2,000 take at most 15 MB."""


class ScalingPlan(Settings, frozen=True, kw_only=True):
    """Where steps are measured, and the training whose time is projected."""

    ranks: Annotated[WorldSizes, Meta(min_length=1)] = (2, 4)
    """Numbers of ranks that are measured; tables mark more ranks than cores."""
    pictures: Annotated[Count, unit("pictures")] = 1_000_000
    """Number of pictures of the training whose time is projected."""
    epochs: Annotated[Count, unit("epochs")] = 90
    """Number of epochs of the training whose time is projected."""
    projected_ranks: WorldSizes = (32, 64, 128, 256, 512)
    """Numbers of ranks for which the time is projected from the measurements."""


class JobSettings(Settings, frozen=True, kw_only=True):
    """What jobs are planned and started with."""

    srun_mpi: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_]+\Z")] | None = None
    """Value of srun's option `--mpi` in Slurm jobs: `pmi2` for MPICH (which is installed here) and
    MPIs derived from it, `pmix` for Open MPI, or another from `srun --mpi=list`. null: the site's
    default.
    """
    picture_threads: Annotated[Count, unit("threads")] = 2
    """Number of threads of a job that inspects pictures or writes a shard."""
    gigaflops_per_thread: Annotated[Positive, unit("GFLOP/s")] = 20
    """Speed of one processor thread in training. Jobs that predict, and trainings without a GPU, ask
    for time by it.
    """
    gigaflops_per_gpu: Annotated[Positive, unit("GFLOP/s")] = 5000
    """Speed of a rank's GPU in training (not of each thread of the rank). Trainings and calibration
    ask for time by it where queues have GPUs and `device` is not `cpu`.
    """
