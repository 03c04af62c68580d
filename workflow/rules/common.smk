"""The experiment that all rules ask, and names of files that several rules share."""

import atexit
import os
import re
import shlex
import sys
from contextlib import suppress
from pathlib import Path

from snakemake.settings.types import DeploymentMethod

from mct.cluster.parts import INTERRUPTION, PARTS, Part

if workflow.is_main_process:  # first, since large lists take a while
    INTERRUPTION.watch_planning()

from mct.base.errors import UserError
from mct.base.files import file_digest
from mct.base.methods import BASELINES, CALIBRATED, PRETRAINING
from mct.base.roles import PAIR, ROLES
from mct.cluster import results_folder, surroundings
from mct.cluster.endings import Run, last_words
from mct.experiment.experiment import Experiment
from mct.cluster.interruption import resume_line
from mct.cluster.jobs import SUBMITTED
from mct.cluster.planning import REMEDIES, Planner
from mct.cluster.site import queues_file, read_site

MODIFIER = workflow.modifier
CHECKED = (*REMEDIES, "list_suspects", "measure_scaling")
NAMES = {MODIFIER.modify_rulename(name): name for name in CHECKED}

# In the environment: another parameter or command would rerun what was run elsewhere.
os.environ[SUBMITTED] = "yes" if workflow.remote_exec else ""
surroundings.name_programs(
    os.environ,
    Path(HERE, "workflow/scripts"),
    own_python=DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method,
)

try:
    if workflow.is_main_process:
        surroundings.leave_launcher(os.environ)
    if MODIFIER.path_modifier.replace_prefix("results", None) != "results":
        raise UserError("module: `prefix` moves outputs only; set `results` in its configuration")
    EXPERIMENT = Experiment(
        config, in_job=not workflow.is_main_process, memory=Path(".snakemake/mct")
    )
    EXPERIMENT.check_paths()
    SITE = read_site(queues_file(sys.argv[1:], Path(getattr(workflow, "rundir", "."))))
    PLANNER = Planner(EXPERIMENT, SITE)
except UserError as error:
    print(f"error: {error}", file=sys.stderr)
    raise SystemExit(2) from None

FOLDER = Path.cwd()
IS_FIRST, IS_FIRST_READING = not PARTS, EXPERIMENT.folder not in PARTS
PART = PARTS.setdefault(EXPERIMENT.folder, Part())
PART.rules.append(MODIFIER.rules)


def begin(logs):
    """Check jobs against queues and claim the results before the first job, or end with code 2."""
    if PART.run:
        return  # of a module: another reading of it, or its workflow, has called this
    try:
        for refusal in refusals():
            raise UserError(refusal)
        warn(EXPERIMENT.cautions())
        results_folder.begin(
            EXPERIMENT, forced_checkpoints(), log_of(logs), on_cluster=SITE.is_cluster
        )
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    log = log_of(logs).absolute()
    PART.run = Run(folder=FOLDER, results=Path(EXPERIMENT.folder), workflow_log=log)
    INTERRUPTION.watch_jobs()


def begin_as_module():
    """Begin before the first job also where another workflow, with a start of its own, uses this one.

    Snakemake runs the handlers of the main workflow only.
    """
    if MODIFIER.base_snakefile is None:
        return
    register, others = workflow.onstart, workflow._onstart

    def register_after(handler):
        register(lambda log: (begin(log), handler(log)))

    workflow.onstart = register_after
    workflow._onstart = lambda log: (begin(log), others(log))


def forced_checkpoints():
    """Return the folders of checkpoints of trainings that a flag (-f, -F, --forcerun) makes run."""
    jobs = [] if workflow.touch else filter(is_forced, workflow.dag.needrun_jobs())
    own = [job for job in jobs if PART.owns(job.rule)]
    return [job.params.checkpoints for job in own if "checkpoints" in job.params.keys()]


def is_forced(job):
    """Return whether a flag names a job's rule, or a file that it makes.

    Snakemake's own reason `forced` is also that of results that --rerun-incomplete makes again.
    """
    settings = workflow.dag_settings
    named = set(settings.forcerun)
    if settings.forcetargets:
        named.update(settings.targets, settings.until)
    files = {os.path.relpath(name) for name in named}
    made = {os.path.relpath(file) for file in job.output}
    return job.rule in workflow.dag.forcerules or not files.isdisjoint(made)


def refusals():
    """Return what the configuration lacks, or why no queue takes jobs, by rule and reason."""
    jobs = [job for job in workflow.dag.needrun_jobs(exclude_finished=False) if PART.owns(job.rule)]
    try:
        EXPERIMENT.check_rules({original_name(job) for job in jobs})
    except UserError as error:
        return [str(error)]
    found = ((job.name, PLANNER.refusal(original_name(job), job.resources)) for job in jobs)
    return list(dict.fromkeys(f"{name}: {refusal}" for name, refusal in found if refusal))


def end_dry_run():
    """After a dry run, which starts nothing, warn of what is doubtful and of jobs a run would refuse."""
    if workflow.dryrun and workflow.dag:
        warn([*EXPERIMENT.cautions(), *refusals()])


def end_run():
    """Say as the last thing on the screen why jobs failed, or how an interrupted run is resumed."""
    resume, output = resume_line(sys.argv[1:], FOLDER), workflow.output_settings
    for part in PARTS.values():
        failed = part.run.end(failed_jobs(part)) if part.run else []
        if INTERRUPTION.came:
            failed = [job for job in failed if job.is_fault]
        say(last_words(failed, resume, with_logs=not output.show_failed_logs))
    if INTERRUPTION.came and not output.dryrun:
        say([f"interrupted: {resume}"])


if IS_FIRST_READING:
    atexit.register(end_dry_run)
if IS_FIRST:
    atexit.register(end_run)


def failed_jobs(part):
    """Return rule, number and log of the jobs of a part that failed for good."""
    groups = workflow.scheduler.failed if workflow.scheduler else ()
    jobs = [job for group in groups for job in (group.jobs if group.is_group() else [group])]
    return [(job.name, job.jobid, str(job.log[0])) for job in jobs if part.owns(job.rule)]


def original_name(job):
    """Return the name of a job's rule here; a workflow may give rules of a module other names."""
    return NAMES.get(job.name, job.name)


def say(lines):
    """Print lines for the user; the terminal may be gone."""
    with suppress(OSError):
        for line in lines:
            print(line, file=sys.stderr, flush=True)


def warn(lines):
    """Print warnings, one a line."""
    for line in lines:
        print(f"warning: {line}", file=sys.stderr)


def log_of(logs):
    """Return the workflow's log, of those that Snakemake hands to a handler."""
    return Path(next(iter(logs or []), os.devnull))


def result(path):
    """Return a path below the results of this experiment."""
    return f"{EXPERIMENT.folder}/{path}"


def shards(suffix="h5"):
    """Return all shards, or what lies next to each under its name."""
    folder = f"shards/{EXPERIMENT.dataset}"
    return [result(f"{folder}/{name}.{suffix}") for name in EXPERIMENT.shards]


def shard_files(set_name):
    """Return the shards that may hold pictures of a set, and the table that says which do."""
    return [*shards(), index(set_name)]


def inspection(intake=None):
    """Return the findings of all parts of the inspection, or of those of an intake."""
    return [
        result(f"inspection/{EXPERIMENT.dataset}/{name}.tsv")
        for name, part in EXPERIMENT.inspection_parts.items()
        if intake in (None, part.intake)
    ]


def measurements(kind):
    """Return the measurements that a table of performance is made of."""
    folder = "prefetch" if kind == "prefetch" else "scaling"
    numbers = EXPERIMENT.config["scaling"]["ranks"]
    return [result(f"performance/{folder}/ranks{number}.json") for number in numbers]


def index(set_name):
    """Return the table of labels: which pictures are in a set, and where."""
    return result(f"shards/{EXPERIMENT.dataset}/labels.parquet")


def model_file(method, run, name):
    """Return a file of a training of this data set."""
    return result(f"models/{EXPERIMENT.dataset}/{method}/{run}/{name}")


def verbatim(text):
    """Return a parameter that holds a user's text, in which braces are no wildcards."""
    return lambda wildcards: text


def run_of(wildcards):
    """Return the name of a job's run."""
    return RUN.format(seed=wildcards.seed, ranks=wildcards.ranks)


def shown(path, category, caption):
    """Return a table or figure of the results folder, for `snakemake --report`."""
    return report(result(path), category=category, caption=f"../report/{caption}.rst")


def evaluation(method, run, role):
    """Return the evaluation of a model, or of a pair, of this data set."""
    split = EXPERIMENT.config["split"]
    return result(f"evaluation/{EXPERIMENT.dataset}/{split}/{method}/{run}/{role}.json")


def evaluated_weights(wildcards):
    """Return the weights that an evaluation is of: a model's, or those of both of a pair."""
    roles = ROLES if wildcards.role == PAIR else [wildcards.role]
    return [
        model_file(wildcards.method, run_of(wildcards), f"{role}.safetensors") for role in roles
    ]


def judges(name):
    """Return a file of each pair that judges labels; none where no method calibrates one."""
    method = EXPERIMENT.judging_method
    return [model_file(method, run, name) for run in EXPERIMENT.runs()] if method else []


def judgements():
    """Return what is thought of the labels of all shards' pictures; none where no pair judges."""
    folder = f"suspects/{EXPERIMENT.dataset}"
    names = EXPERIMENT.shards if EXPERIMENT.judging_method else []
    return [result(f"{folder}/{name}.h5") for name in names]


SERIAL = ("attempt", "tasks", "cpus_per_task", "nodes", "mem_mb_per_cpu", "mem_mb", "runtime")
RANKS = (*SERIAL, "ranks", "mpi_tasks", "rank_threads", "rank_cpus", "mpi", "gpu", "tasks_per_gpu")


def planned(names, plan):
    """Return resources as functions of wildcards and attempt; `plan` makes a demand of these."""

    def resource(name):
        return lambda wildcards, attempt: getattr(plan(wildcards, attempt), name)

    return {name: resource(name) for name in names}


def serial(plan):
    """Return the resources of a job of one process."""
    return planned(SERIAL, plan)


def ranks(plan):
    """Return the resources of an MPI job; Slurm signals its ranks a minute before the limit."""
    names = (*RANKS, "slurm_partition") if SITE.for_ranks().is_mixed else RANKS
    return {**planned(names, plan), "slurm_extra": "--signal=USR1@60 --open-mode=append"}


def summary():
    """Return the resources of a table or a figure."""
    return serial(lambda wildcards, attempt: PLANNER.report(attempt))


def code(script, *resources):
    """Return a comment with the digests of the code that a rule's script can reach, and of resources.

    So that a change of them reruns the rule, as Snakemake's trigger `code` does.
    """
    files = (file_digest(Path(HERE, "workflow/resources", name)) for name in resources)
    return f"# {' '.join([EXPERIMENT.code(script), *files])}"


START = (
    '"$MCT_PYTHON" "$MCT_SCRIPTS"/launch_ranks.py --attempt {resources.attempt} --log {log:q}'
    f" --results {shlex.quote(EXPERIMENT.folder)}"
)
RESOURCES = '"$MCT_SCRIPTS"/../resources'
START_RANKS = (
    f"{START} --ranks {{resources.ranks}} --threads {{resources.rank_threads}}"
    " --cpus {resources.rank_cpus}"
)
TRAIN = (
    f"{START_RANKS} train_model.py"
    " --stage {params.stage} --role {params.role} --ranks {resources.ranks}"
    " --settings {params.settings:q} --execution {params.execution:q} --noisy {input.noisy:q}"
    " --clean {input.clean:q} --start {input.start:q} --evidence {input.evidence:q}"
    " --checkpoints {params.checkpoints:q}"
    " --output $(dirname {output.record:q}) 2> {log:q}"
)
RUN = "seed{seed}_ranks{ranks}"
MODELS = result("models/{dataset}")
LOGS = result("logs/{dataset}")
CHECKPOINTS = result("checkpoints/{dataset}")
EXECUTION = result("config.yaml")
CONFUSION_SETS = {"estimated": "clean", "anchors": "noisy"}


wildcard_constraints:
    dataset=re.escape(EXPERIMENT.dataset),
    method="[a-z_0-9]+",
    seed="0|[1-9][0-9]*",
    ranks="[2468]|[1-9][0-9]*[02468]",
    shard="|".join(EXPERIMENT.shards),
    split="validation|test",
    part="|".join(EXPERIMENT.inspection_parts),
    role="auxiliary|primary|pair",
