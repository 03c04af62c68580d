"""What an edit of the project reruns: exactly the rules whose results it can change."""

import re
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from projects import change_config, copy_project, run_snakemake, write_config
from trees import write_clothing1m

from mct.experiment import experiment as asked
from mct.experiment.experiment import Experiment
from mct.stage import closure
from mct.stage.checkpoint import stage_folder

LIBRARY = Path("workflow/scripts/mct")
METHODS = ["clean_noisy", "cleannet", "glc", "mct_paper", "mct"]
TARGETS = ("all", "suspects", "performance")

INSPECTION = {"inspect_pictures", "quarantine_pictures"}
SHARDS = {"write_shard", "index_shards"}
PRETRAINING = {"pretrain_auxiliary", "pretrain_primary"}
TRAINING = {*PRETRAINING, "train_baseline", "calibrate_pair"}
AIDS = {"estimate_confusion", "score_labels"}
NOISE = {"estimate_noise_by_models", "tabulate_noise"}
SUSPECTS = {"judge_labels", "list_suspects"}
ACCURACY = {"tabulate_accuracy", "plot_accuracy", "plot_confusion"}
CURVES = {"plot_training", "plot_selection"}
REHEARSALS = {"measure_prefetch", "measure_scaling", "tabulate_performance"}
AFTER_TRAINING = {"evaluate_model", *ACCURACY, *CURVES, *SUSPECTS}
AFTER_SHARDS = {*TRAINING, *AIDS, *NOISE, *AFTER_TRAINING, "estimate_noise"}


class Job(NamedTuple):
    rule: str
    script: str
    digest: str
    inputs: frozenset[str]
    outputs: frozenset[str]


def planned_jobs(project: Path) -> list[Job]:
    """Return all jobs of a project, with their programs, from a dry run."""
    options = ("-n", "-p", *TARGETS, "-F", "--cores", 2, "--configfile", "tiny.yaml")
    plan = run_snakemake(project, *options)
    assert plan.returncode == 0, plan.stderr
    return [
        read_job(text)
        for text in plan.stdout.split("\n\n")
        if ".py " in text.partition("Shell command:")[2]
    ]


def read_job(text: str) -> Job:
    """Return what a dry run says of a job: its rule, files, program and digest of code."""
    facts = dict(re.findall(r"^    (input|output): (.*)$", text, re.M))
    command = text.partition("Shell command:")[2]
    script = next(name for name in re.findall(r"(\w+)\.py ", command) if name != "launch_ranks")
    inputs, outputs = (frozenset(facts.get(name, "").split(", ")) for name in ("input", "output"))
    rule = re.search(r"^(?:local)?rule (\w+):", text, re.M)[1]
    return Job(rule, f"{script}.py", re.search(r"# ([0-9a-f]{64})", command)[1], inputs, outputs)


class Plan:
    """The jobs of a copy of the project, and which of them an edit of code reruns."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.jobs = planned_jobs(project)
        self._experiment = Experiment(yaml.safe_load((project / "tiny.yaml").read_text()))

    def digests(self) -> dict[str, str]:
        """Return the digest that the workflow has of each program's code as it is now."""
        closure.code_digest.cache_clear()
        return {script: self._experiment.code(script) for script in {j.script for j in self.jobs}}

    def rerun(self) -> set[str]:
        """Return the rules of jobs whose code changed since the dry run, and of those after them."""
        now = self.digests()
        changed = {job for job in self.jobs if now[job.script] != job.digest}
        while following := {
            job
            for job in set(self.jobs) - changed
            if any(job.inputs & done.outputs for done in changed)
        }:
            changed |= following
        return {job.rule for job in changed}

    def checkpoints(self) -> list[Path]:
        """Return the folders of checkpoints in which trainings look for theirs."""
        closure.code_digest.cache_clear()
        arguments = Namespace(settings="{}", checkpoints=Path("checkpoints"))
        scripts = ("train_model.py", "calibrate_pair.py")
        return [stage_folder(arguments, asked.SCRIPTS / name, []) for name in scripts]


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plan]:
    """Return the plan of a copy of the project; digests are made of the copy's files."""
    project = copy_project(tmp_path_factory.mktemp("edits") / "project")
    write_config(project / "tiny.yaml", write_clothing1m(project / "data"))
    change_config(project, methods=METHODS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.setattr(closure, "LIBRARY", project / LIBRARY)
        patch.setattr(asked, "SCRIPTS", project / LIBRARY.parent)
        yield Plan(project)
    closure.code_digest.cache_clear()
