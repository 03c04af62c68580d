"""What a stage needs of a machine, planned from the size of the data and the settings.

Plans only have to be large enough. A training that reaches its time limit resumes in the next attempt; a
job that cannot resume starts again with more.
"""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from mct.experiment.experiment import Experiment

MODELS = Path(__file__).parents[3] / "resources" / "models.tsv"
MARGIN = 2.0
START_SECONDS = 60
"""Imports and reading the index, on a shared file system."""
BASE_MB = 1100
"""An interpreter with torch and MPI, and its Snakemake: 780 + 210 MB were measured, without what they share
with other processes; 850 + 210 MB where the first imports scikit-learn."""
FLOATS_PER_PARAMETER = 6
"""Weight, gradient, momentum, bucket, and the copy for a checkpoint with its momentum."""
FLOATS_PER_ACTIVATION = 1
"""Each layer's output, kept for backward; layers that work in place save about what gradients take. With
the margin this is 1.2 (AlexNet) to 3 times the measured peak of float32 steps on a processor, less the peak
for two pictures: per picture of 224 pixels ResNet-50 106 MB, ResNet-18 39; of 32 pixels ResNet-34 8.3,
small_cnn 0.95."""
SELECTED_PASSES = 4 / 3
"""By which a step's computation grows where passes run forward again: four thirds of three forward passes."""
SUMMED_BYTES = 2e8
"""Of gradients that ranks sum in a second, on a slow network."""
REHEARSAL_SLACK = 6
"""Of steps that are measured: of a few, the slow first one and what is not learning weigh more."""
PRECISION_STEPS = 4
"""In each arithmetic whose time is measured."""
INDEX_SECONDS = 0.001
"""Checking a picture's checksum, on a shared file system."""
EXPORT_COPIES, EXPORT_MB = 4, 200
"""Of the weights, while a model is written as ONNX and compared, and what the libraries for it take. Measured
in all: small_cnn 1190 MB, ResNet-50 of 224 pixels 2040, ViT-B/16 3640."""
PREFETCH_ROUNDS = 4
"""In which prefetch is measured, the first to warm up."""
GPU_MB = 2000
"""Of a process on the host that uses a GPU: the driver's and CUDA's libraries."""
READ_AT_A_TIME, PREDICTED_AT_A_TIME, LIVE_SHARE = 256, 64, 0.25
"""Pictures of a piece of predictions, and those that pass the net together; the most of all layers'
outputs that are needed at once.
"""
HANDED_ON = 0.05
"""Of all layers' outputs, what stages are handed that learn from features: twice the largest of a ResNet."""
LOGIT_COPIES = 3
"""Of what a model says of a whole set: the logits, and what their probabilities are made of."""
LARGEST_STORED = 64
"""Pixels of a side up to which shards keep pictures decoded."""
PICTURE_SECONDS = 0.02
"""Reading, decoding and resizing a photograph, with a wide margin."""
USUAL_PIXELS, PIXEL_BYTES = 24_000_000, 8
"""Of a photograph, decoded and being converted; larger ones are rare, and get more memory in a retry."""
STREAMED_SECONDS = 0.00002
"""Passing a row of the catalogue and its finding."""
ROW_SECONDS = 0.0005
ROW_BYTES = 2000
PREDICTIONS = "execution.threads_per_rank, or execution.gigaflops_per_thread if it is too low"
REMEDIES = {
    "build_catalogue": "execution.picture_threads",
    "inspect_pictures": "inspection.parts or execution.picture_threads",
    "write_shard": "shards.count or execution.picture_threads",
    "judge_labels": f"shards.count, {PREDICTIONS}",
    "export_model": PREDICTIONS,
}
"""By rule, what to raise where a job that cannot resume needs longer than a queue gives."""


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What a job asks for; the names are Snakemake's and the Slurm plugin's.

    A Slurm task is a rank, in calibration the pair, so that its ranks always share a node.
    `rank_cpus` are the cores of a rank, of which it uses `rank_threads`. `runtime` is in minutes,
    `work_seconds` is the work alone as it is planned, however long a queue lets a job run.
    A queue (`slurm_partition`) is named where another might take the job without holding its tasks.
    """

    rank_threads: int
    rank_cpus: int
    cpus_per_task: int
    mem_mb_per_cpu: int
    runtime: int
    attempt: int = 1
    work_seconds: int = 0
    ranks: int = 0
    tasks: int = 1
    nodes: int = 1
    gpu: int = 0
    tasks_per_gpu: int = 0
    slurm_partition: str = ""

    @property
    def mpi_tasks(self) -> int:
        """The ranks, under the name that queues may limit: serial queues take none."""
        return self.ranks

    @property
    def mem_mb(self) -> int:
        """The memory of the whole job, in MB."""
        return self.mem_mb_per_cpu * self.cpus_per_task * self.tasks

    @property
    def mpi(self) -> str:
        """Text that makes the Slurm plugin ask for several tasks, or none."""
        return "yes" if self.tasks > 1 else ""

    @property
    def resources(self) -> dict[str, Any]:
        """All of these by name."""
        return {**vars(self), "mpi_tasks": self.mpi_tasks, "mem_mb": self.mem_mb, "mpi": self.mpi}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What an architecture costs: multiply-adds and outputs of layers for a picture.

    `features` are the inputs of its classifier.
    """

    parameters: int
    multiply_adds: float
    activations: float
    features: int


@cache
def read_costs() -> dict[str, tuple[int, Cost]]:
    """Return each architecture's reference size in pixels and cost there."""
    lines = [line for line in MODELS.read_text().splitlines() if not line.startswith("#")]
    return {
        row["model"]: (
            int(row["size"]),
            Cost(**{each.name: int(row[each.name]) for each in fields(Cost)}),
        )
        for row in csv.DictReader(lines, delimiter="\t")
    }


def model_cost(name: str, size: int) -> Cost:
    """Return an architecture's cost for pictures of `size` pixels, which grows with their area."""
    reference, cost = read_costs()[name]
    area = (size / reference) ** 2
    return replace(
        cost, multiply_adds=cost.multiply_adds * area, activations=cost.activations * area
    )


def cost_of(experiment: Experiment) -> Cost:
    """Return what the net of an experiment costs for its pictures."""
    if experiment.net:
        return Cost(**experiment.net.costs)
    config = experiment.config
    return model_cost(config["model"]["name"], config["images"]["size"])


def learned_cost(experiment: Experiment, cost: Cost) -> Cost:
    """Return what a sample costs that models see: of features that a classifier learns from, that alone.

    Elsewhere it is the whole net, also where a part of it is frozen.
    """
    if not experiment.stores_features or experiment.config["model"]["trainable"] != "classifier":
        return cost
    outputs = cost.features * experiment.classes
    return replace(cost, multiply_adds=outputs, activations=cost.features)


def pictures_per_shard(experiment: Experiment) -> float:
    """Return the pictures of the largest shard, those in two sets counted twice."""
    return sum(experiment.sizes.values()) / experiment.config["shards"]["count"]


def minutes(seconds: float, attempt: int) -> int:
    """Return whole minutes with a margin that grows with each attempt."""
    return math.ceil(attempt * MARGIN * (START_SECONDS + seconds) / 60)


def compute_seconds(cost: Cost, samples: float, gigaflops: float, *, training: bool) -> float:
    """Return the time of passes over `samples`; training costs three forward passes."""
    return samples * cost.multiply_adds * 2 * (3 if training else 1) / (gigaflops * 1e9)


def repetition(optimizer: Mapping[str, Any]) -> float:
    """Return by what a calibration takes longer, since passes run forward twice where there are several."""
    return SELECTED_PASSES if optimizer["accumulation"] > 1 else 1


def average_seconds(cost: Cost) -> float:
    """Return the time in which ranks sum a model's gradients."""
    return 4 * cost.parameters / SUMMED_BYTES


def timed_batches(prefetched: int, steps: int) -> int:
    """Return how many batches are read to measure prefetch, of `steps` steps without it and with.

    Before these come batches that are read with nothing to hide it, and as many are read ahead.
    """
    return PREFETCH_ROUNDS * sum(2 * depth + 1 + steps for depth in (0, max(1, prefetched)))


def model_megabytes(
    cost: Cost, batch: int, size: int, prefetched: int, *, passes: int = 1, on_gpu: bool = False
) -> float:
    """Return the memory of a rank that trains a model on `batch` pictures, without the base.

    It holds all pictures, and the activations of one of the `passes` in which it computes them. On a
    GPU the host's, which holds pictures and what passes through it, but no activations.
    """
    own: float = FLOATS_PER_PARAMETER * cost.parameters
    activations = 0 if on_gpu else FLOATS_PER_ACTIVATION * cost.activations
    pictures = batch * 3 * size * size * (prefetched + 2)
    own += math.ceil(batch / passes) * activations + pictures
    return 4 * own / 1e6 + (GPU_MB / MARGIN if on_gpu else 0)


def inference_megabytes(cost: Cost, models: int, size: int) -> float:
    """Return the memory of a process that predicts with some models in turn, without the base."""
    picture = LIVE_SHARE * cost.activations + 3 * size * size * 4
    return 4 * (models * cost.parameters + PREDICTED_AT_A_TIME * picture) / 1e6


def logits_megabytes(samples: float, classes: int, models: int) -> float:
    """Return the memory of what models say of all samples; the mean of several is in float64."""
    return _known_megabytes(LOGIT_COPIES * min(models, 2) * samples * classes)


def features_megabytes(cost: Cost, samples: float, classes: int) -> float:
    """Return the memory of features from which CleanNet weighs labels; those of all lie in a file.

    A class is copied twice while its centres are found; it may have double its even share.
    """
    return _known_megabytes(2 * min(1, 2 / classes) * samples * cost.features)


def feature_numbers(experiment: Experiment, cost: Cost) -> float:
    """Return how many numbers a picture's stored features are; where stages learn, roughly."""
    config = experiment.config
    is_alone = config["model"]["trainable"] == "classifier"
    numbers = cost.features if is_alone else HANDED_ON * cost.activations
    return numbers * config["images"]["feature_views"]


def extraction_megabytes(experiment: Experiment, cost: Cost) -> float:
    """Return the memory of the features of the pictures that a rank reads at a time."""
    return _known_megabytes(READ_AT_A_TIME * feature_numbers(experiment, cost))


def _known_megabytes(numbers: float) -> float:
    """Return the memory of so many numbers, float32: no estimate, so without the margin."""
    return 4 * numbers / 1e6 / MARGIN


def megabytes(parts: float, attempt: int) -> int:
    """Return the memory to ask for, in MB: base and `parts`, more with each attempt."""
    return math.ceil(attempt * (BASE_MB + MARGIN * parts))


def limit_memory(parts_mb: float, attempt: int, most_mb: float) -> int:
    """Return the MB to ask for: more with each attempt, but not beyond what is there."""
    first = megabytes(parts_mb, 1)
    return int(min(megabytes(parts_mb, attempt), max(most_mb, first)))
