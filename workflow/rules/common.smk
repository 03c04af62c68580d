"""The experiment that all rules ask, and names of files that several rules share."""

import sys

from mct.errors import UserError
from mct.experiment import Experiment
from mct.methods import BASELINES, CALIBRATED, PRETRAINING

try:
    EXPERIMENT = Experiment(config)
    EXPERIMENT.check_paths()
except UserError as error:
    print(f"error: {error}", file=sys.stderr)
    raise SystemExit(2) from None


def begin():
    """Claim the results folder before the first job, or end with exit code 2."""
    settings = workflow.dag_settings
    forced = [str(name) for name in settings.forcerun]
    if settings.forcetargets:
        forced += [str(name) for name in settings.targets]
    try:
        EXPERIMENT.begin(forced, settings.forceall)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def result(path):
    """Return a path below the results of this experiment."""
    return f"{EXPERIMENT.folder}/{path}"


def shard_files(set_name):
    """Return the shards of a set and their index."""
    names = [*(f"{name}.h5" for name in EXPERIMENT.shard_names(set_name)), "index.json"]
    return [result(f"shards/{EXPERIMENT.dataset}/{set_name}/{name}") for name in names]


def index(set_name):
    """Return the index of a set's shards."""
    return shard_files(set_name)[-1]


def model_file(method, run, name):
    """Return a file of a training of this data set."""
    return result(f"models/{EXPERIMENT.dataset}/{method}/{run}/{name}")


def evaluation(method, run, role):
    """Return the evaluation of a model of this data set."""
    split = EXPERIMENT.config["split"]
    return result(f"evaluation/{EXPERIMENT.dataset}/{split}/{method}/{run}/{role}.json")


def attempt(wildcards, attempt):
    """Return the number of a job's attempt, for its resource of that name."""
    return attempt


def mpi(tasks):
    """Return the resource that makes the Slurm plugin ask for several tasks: text, or none."""
    return "yes" if tasks > 1 else ""


def code(script):
    """Return a comment with the digest of the code that a rule's script can reach.

    So that a change of code reruns the rule, as Snakemake's trigger `code` does.
    """
    return f"# {EXPERIMENT.code(script)}"


START = "python workflow/scripts/launch_ranks.py --attempt {resources.attempt} --log {log:q}"
START_RANKS = f"{START} --ranks {{resources.ranks}} --threads {{resources.rank_threads}}"
TRAIN = (
    f"{START_RANKS} workflow/scripts/train_model.py"
    " --stage {params.stage} --role {params.role} --ranks {resources.ranks}"
    " --settings {params.settings:q} --execution {params.execution:q} --noisy {input.noisy:q}"
    " --clean {input.clean:q} --checkpoints {params.checkpoints:q}"
    " --output $(dirname {output.record:q}) 2> {log:q}"
)
RUN = "seed{seed}_ranks{ranks}"
MODELS = result("models/{dataset}")
LOGS = result("logs/{dataset}")
CHECKPOINTS = result("checkpoints/{dataset}")
EXECUTION = result("config.yaml")


wildcard_constraints:
    dataset="[A-Za-z0-9_-]+",
    method="[a-z_0-9]+",
    seed="[0-9]+",
    ranks="[0-9]+",
    set="noisy|clean|validation|test",
    split="validation|test",
    shard="[0-9]+",
    role="auxiliary|primary",
