"""Keys that the workflow alone uses: no stage reads them, or only as an option of its command."""

from typing import Annotated, Literal

from msgspec import Meta, field

from mct.base.keys import (
    UNIQUE,
    Count,
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
from mct.experiment.baselines import FineTuning
from mct.experiment.methods import METHODS

Seed = Annotated[int, Meta(ge=0, lt=2**32)]
Even = Annotated[int, Meta(ge=2, multiple_of=2)]
MethodName = Annotated[str, one_of(METHODS)]
DECAYING = [name for name, method in METHODS.items() if not isinstance(method, FineTuning)]
"""Methods whose rate decays as in calibration; the others have a rate of their own."""
Confusion = Literal["counted", "estimated", "anchors"]


class ExperimentSettings(Settings, frozen=True, kw_only=True):
    """What is run, and where its results go."""

    experiment: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*\Z"), quick_start("digits")
    ]
    """Name of the experiment; results go to <results>/<experiment>/. Required unless layout is
    digits.
    """
    results: Annotated[str, Meta(pattern=r"^[\w./][\w./+=@-]*\Z")] = "results"
    """Folder that holds the results of all experiments; without spaces and other characters that
    mean something to a shell or to Snakemake.
    """
    seeds: Annotated[tuple[Seed, ...], Meta(min_length=1), UNIQUE] = (0,)
    """Seeds of the repeated runs; tables report mean and standard deviation over them."""
    ranks: Annotated[tuple[Even, ...], Meta(min_length=1), unit("MPI ranks"), UNIQUE] = (4,)
    """World sizes of calibration. Each must be even, since calibration splits its world in two
    groups of equal size; the two pretraining jobs share the same number, and every baseline has it
    (or half, `baselines.ranks`).
    """
    methods: Annotated[tuple[MethodName, ...], Meta(min_length=1), UNIQUE] = (
        "noise_only",
        "noise_only_compute",
        "clean_only",
        "clean_noisy",
        "mct_paper",
        "mct",
    )
    """Rows of the accuracy table, in this order."""
    split: Literal["test", "validation"] = "test"
    """The held-out set that tables and figures are about; tune on `validation`."""


class SourceSettings(Settings, frozen=True, kw_only=True):
    """What the data set is called, and how it is checked."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]+\Z"), quick_start("digits")]
    """Name of the data set in paths, tables and figures. Required unless layout is digits."""
    layout: Annotated[str, one_of(LAYOUTS)] = "digits"
    """The arrangement of the data set's files; one module of mct/data/layouts each."""
    check_files: bool = True
    """Check in the plan, also in a dry run, that every listed picture exists. The check is repeated
    only when a list or folder changed. If false, the job that makes the catalogue checks.
    """
    noise_rate: Annotated[ProperShare | Literal["counted"], unit("fraction"), quick_start(0.4)]
    """P, the share of wrong labels in the noisy set; `counted` counts it on the clean pictures
    whose observed label is known, and on food101n's verified labels. Required unless layout is
    digits: a wrong value silently selects the wrong samples.
    """
    noise_samples: Annotated[Count, unit("pictures")] = 20_000
    """Most noisy pictures, drawn by seed, on which Ma estimates P for the table of noise rates,
    beside `noise_rate`.
    """
    quarantine_share: Annotated[Share, unit("fraction")] = 0.01
    """Share of a set's pictures that may be unusable: they are left out and listed in
    catalogue/<dataset>.quarantine.tsv; above it the inspection stops.
    """


class InspectionSettings(Settings, frozen=True, kw_only=True):
    """How every picture is judged."""

    parts: Annotated[Count, unit("jobs")] = 1
    """Jobs that share the pictures."""
    most_pixels: Annotated[int, Meta(ge=1, le=178956970), unit("pixels")] = 64_000_000
    """Pictures of more pixels are left out."""


class ShardCounts(Settings, frozen=True, kw_only=True):
    """How many shards there are."""

    count: Annotated[Count, unit("files")] = 4
    """Shards of the pictures of all sets. Pictures that are listed later form new shards."""


class PretrainingSettings(Settings, frozen=True, kw_only=True):
    """How long and at which rate both models are pretrained."""

    learning_rate: Positive = 0.1
    """Constant rate of both models and of the first part of baselines."""
    epochs_auxiliary: Annotated[Count, unit("epochs")] = 40
    """Passes of Ma over the clean set."""
    epochs_primary: Annotated[Count, unit("epochs")] = 10
    """Passes of Mp over the noisy set."""
    classifier_epochs: Annotated[NotNegative, unit("epochs")] = 0
    """Epochs at the start of every training in which the classifier learns alone: the rest waits until
    it is no longer random. They are among the others.
    """


class MethodRates(Settings, frozen=True, kw_only=True):
    """Where rates of methods differ."""

    learning_rates: Annotated[
        dict[str, Positive], Meta(extra_json_schema={"propertyNames": {"enum": DECAYING}})
    ] = field(default_factory=dict)
    """Rates at the start of the decay of single methods by name, where they differ from
    `learning_rate`, such as `{mct: 0.2}`; `forward_finetuned` has its own key.
    """


class ConfusionSettings(Settings, frozen=True, kw_only=True):
    """Where the confusion of labels comes from."""

    confusion: Confusion = "counted"
    """P(observed | true) of `posterior` targets: `counted` on clean pictures whose observed label
    is known, `estimated` as the mean prediction of pretrained Mp for clean pictures of a class
    (GLC), or from `anchors` among noisy pictures, without clean ones.
    """


class BaselineSettings(Settings, frozen=True, kw_only=True):
    """The ranks of baselines."""

    ranks: Literal["all", "half"] = "all"
    """Ranks of a baseline: `all` of its run's, or `half` of them, as one model of the pair has, so
    that its blocks of a batch are as large (and one GPU serves one rank).
    """


class CorrectionSettings(Settings, frozen=True, kw_only=True):
    """Methods that correct the loss."""

    confusion: Confusion = "counted"
    """P(observed | true), as `calibration.confusion`."""
    finetuning_epochs: Annotated[Natural, unit("epochs")] = 10
    """Passes over the clean set after `forward`, for `forward_finetuned`; they are seen in
    addition.
    """
    finetuning_learning_rate: Positive = 0.01
    """Rate at the start of these passes; it decays as in calibration."""


class GoldSettings(Settings, frozen=True, kw_only=True):
    """Gold loss correction."""

    confusion: Confusion = "estimated"
    """P(observed | true), as `calibration.confusion`; the method's own is `estimated`."""
    clean_per_batch: Annotated[Natural, unit("samples")] = 16
    """Clean samples in each step beside the batch."""


class ScalingPlan(Settings, frozen=True, kw_only=True):
    """Where steps are measured, and the training whose time is projected."""

    ranks: Annotated[tuple[Even, ...], Meta(min_length=1), unit("MPI ranks"), UNIQUE] = (2, 4)
    """World sizes that are measured; more ranks than cores are marked as such."""
    pictures: Annotated[Count, unit("pictures")] = 1_000_000
    """Pictures of the training whose time is asked for."""
    epochs: Annotated[Count, unit("epochs")] = 90
    """Its passes."""
    projected_ranks: Annotated[tuple[Even, ...], unit("MPI ranks"), UNIQUE] = (
        32,
        64,
        128,
        256,
        512,
    )
    """World sizes whose time is projected from the measured ones."""


class JobSettings(Settings, frozen=True, kw_only=True):
    """What jobs are planned and started with."""

    srun_mpi: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_]+\Z")] | None = None
    """Srun's option `--mpi` in Slurm jobs: `pmi2` for MPICH and its kin (as installed here), `pmix`
    for Open MPI, or another that `srun --mpi=list` names; null is the site's default.
    """
    picture_threads: Annotated[Count, unit("threads")] = 2
    """Threads of a job that inspects pictures or writes a shard."""
    gigaflops_per_thread: Annotated[Positive, unit("GFLOP/s")] = 20
    """Speed of one thread of a processor in training, from which jobs plan the time they ask for:
    of trainings where they have no GPU, and of all predictions.
    """
    gigaflops_per_gpu: Annotated[Positive, unit("GFLOP/s")] = 5000
    """Speed of a rank's GPU in training, from which trainings and calibration plan the time they
    ask for where queues have GPUs and `device` is not `cpu`; of the GPU, not of each of its rank's
    threads.
    """
