"""The experiment that all rules ask, names of files, and what rules have in common."""

import re
import sys
from functools import partial
from pathlib import Path

from mct.base.files import file_digest
from mct.base.packages import ONNX, ONNX_RUNTIME, advise_installing
from mct.base.roles import ROLES
from mct.cluster import rule_parts
from mct.cluster.reading import Reading
from mct.experiment.method import CONFUSION_SETS
from mct.experiment.stage_settings import as_json

READING = Reading(workflow, config, sys.argv[1:])
EXPERIMENT, PLANNER = READING.experiment, READING.planner
SETTINGS, FILES, RANKS = EXPERIMENT.settings, EXPERIMENT.files, EXPERIMENT.ranks


def result(path):
    """Return a path below the results of this experiment."""
    return f"{EXPERIMENT.folder}/{path}"


RUN = "seed{seed}_ranks{ranks}"
MODELS = result("models/{dataset}")
LOGS = result("logs/{dataset}")
CHECKPOINTS = result("checkpoints/{dataset}")
EXECUTION = result("config.yaml")
CLASSES = result(f"catalogue/{EXPERIMENT.dataset}.classes.txt")
NOISE = result(f"noise/{EXPERIMENT.dataset}.json")
SEEN = "features" if EXPERIMENT.stores_features else "shards"
LABELS = result(f"shards/{EXPERIMENT.dataset}/labels.parquet")
REVIEWED = ".reviewed" if EXPERIMENT.lists.reviews else ""
CATALOGUE = result(f"catalogue/{EXPERIMENT.dataset}{REVIEWED}.tsv")
COUNTED = result(f"shards/{EXPERIMENT.dataset}/listed.parquet") if REVIEWED else LABELS


def shards(suffix="h5"):
    """Return all shards, or what lies next to each under its name."""
    folder = f"shards/{EXPERIMENT.dataset}"
    return [result(f"{folder}/{name}.{suffix}") for name in EXPERIMENT.shards]


def variant_of(wildcards):
    """Return the variant that a pretraining, or what is made of it, is for; none if all rows share it."""
    return wildcards.own.removeprefix("_")


def samples():
    """Return what models see: all shards, or the features of their pictures where these are stored."""
    return [result(f"{SEEN}/{EXPERIMENT.dataset}/{name}.h5") for name in EXPERIMENT.shards]


def inspection(intake=None):
    """Return the findings of all parts of the inspection, or of the parts of an intake."""
    return [
        result(f"inspection/{EXPERIMENT.dataset}/{name}.tsv")
        for name, part in EXPERIMENT.inspection_parts.items()
        if intake in (None, part.intake)
    ]


def piece_params(wildcard, pieces):
    """Return the parameters of a job on a piece of an intake, by the wildcard that names it."""

    def of_piece(ask):
        return lambda wildcards: ask(pieces[wildcards[wildcard]])

    return {
        "dataset": verbatim(EXPERIMENT.reading_settings()),
        "listing": of_piece(EXPERIMENT.storage.listing),
        "digest": of_piece(lambda piece: piece.intake.digest),
        "number": of_piece(lambda piece: piece.number),
        "pieces": of_piece(lambda piece: piece.pieces),
    }


def verbatim(text):
    """Return a parameter that holds a user's text, in which braces are no wildcards."""
    return lambda wildcards: text


def run_of(wildcards):
    """Return the name of a job's run."""
    return RUN.format(seed=wildcards.seed, ranks=wildcards.ranks)


def shown(path, category, caption):
    """Return a table or figure of the results folder, for `snakemake --report`."""
    return report(result(path), category=category, caption=f"../report/{caption}.rst")


def program(text, mpi=False, **files):
    """Return the command of a rule: a script and what it gets; flags and quotes are added.

    `{execution}` is the file of the resolved configuration. `files` are in `workflow/resources`. With
    `mpi` the script runs on the ranks of the job.
    """
    text = text.replace("{execution}", f"--execution {EXECUTION}")
    paths = [f"{HERE}/workflow/resources/{name}" for name in files.values()]
    digests = [EXPERIMENT.code(text.split()[0]), *map(file_digest, map(Path, paths))]
    return rule_parts.write_command(text, EXPERIMENT.folder, digests, files, mpi=mpi)


def serial_job(plan, *wildcards):
    """Return the resources of a job of one process, planned by the values of wildcards."""
    return rule_parts.demanded(rule_parts.SERIAL, plan, wildcards)


def mpi_job(plan, *wildcards):
    """Return the resources of an MPI job; Slurm signals its ranks a minute before the limit."""
    queue = ["slurm_partition"] if READING.site.for_ranks().is_mixed else []
    planned = rule_parts.demanded([*rule_parts.RANKS, *queue], plan, wildcards)
    return {**planned, "slurm_extra": "--signal=USR1@60 --open-mode=append"}


def cores_of(plan, *wildcards):
    """Return the cores that a job's ranks keep busy, which `plan` says by the values of wildcards."""

    def cores(values):
        return RANKS.cores(plan(*(values[name] for name in wildcards), 1).ranks)

    return cores


def train_own(name, own, ranks, attempt):
    """Return what a pretraining of all rows or of a variant asks for."""
    return PLANNER.train(f"{name}{own}", ranks, attempt)


def cores_of_own(name):
    """Return the cores that this pretraining's ranks keep busy, by the wildcards of its job."""
    return lambda wildcards: RANKS.cores_of_training(f"{name}{wildcards.own}", wildcards.ranks)


def summary():
    """Return the resources of a table or a figure."""
    return serial_job(PLANNER.report)


wildcard_constraints:
    dataset=re.escape(EXPERIMENT.dataset),
    method="[a-z_0-9]+",
    seed="0|[1-9][0-9]*",
    ranks="[2468]|[1-9][0-9]*[02468]",
    shard="|".join(EXPERIMENT.shards),
    split="validation|test",
    part="|".join(EXPERIMENT.inspection_parts),
    role="auxiliary|primary",
    own="|".join(FILES.suffixes()) or "(?:)",
