"""What an edit of the project reruns: exactly the rules whose results it can change."""

import re
import shutil
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from edits import LIBRARY, SILENT, Edit, all_applied, code, docstring, error, replaced
from projects import change_config, copy_project, planned, run_snakemake, write_config
from trees import write_clothing1m

from mct.experiment import experiment as asked
from mct.experiment.experiment import Experiment
from mct.stage import closure
from mct.stage.checkpoint import stage_folder

METHODS = ["clean_noisy", "cleannet", "glc", "mct_paper", "mct"]
TARGETS = ("all", "suspects", "export", "performance")

DATA = {
    "build_catalogue", "inspect_pictures", "quarantine_pictures", "write_shard", "index_shard",
    "label_pictures", "list_classes", "tabulate_pictures",
}  # fmt: skip
NOISE = {"estimate_noise_by_models", "tabulate_noise"}
AIDS = {"estimate_confusion", "score_labels"}
SUSPECTS = {"judge_labels", "list_suspects"}
EXPORT = {"export_model"}
EVALUATION = {"evaluate_model", "evaluate_pair"}
ACCURACY = {"tabulate_accuracy", "tabulate_recall", "plot_accuracy", "plot_confusion"}
CURVES = {"plot_training", "plot_selection"}
"""Of pairs."""
SCALING = {"tabulate_scaling", "plot_scaling"}
REHEARSALS = {"measure_prefetch", "measure_scaling", "tabulate_performance"}
SUMMARISED = {*ACCURACY, *CURVES, *SCALING, "plot_curves", "tabulate_noise", "tabulate_pictures"}
DRAWING = {"plot_accuracy", "plot_confusion", "plot_curves", *CURVES, "tabulate_pictures"}
AFTER_CALIBRATION = {
    "calibrate_pair", "evaluate_pair", "plot_curves", *ACCURACY, *CURVES, *SUSPECTS, *EXPORT,
    *SCALING,
}  # fmt: skip
AFTER_TRAINING = {
    "pretrain_auxiliary", "pretrain_primary", "train_baseline", "evaluate_model", *AIDS, *NOISE,
    *AFTER_CALIBRATION,
}  # fmt: skip
EVERYTHING = DATA | {"estimate_noise", "write_summary"} | AFTER_TRAINING | REHEARSALS

NOT_PLANNED = {
    "fetch_weights", "measure_precision", "extract_features", "weigh_teacher", "apply_reviews",
    "plot_schedules", "predict_targets",
    "label_listed_pictures",
}  # fmt: skip
"""Rules for what the plan has none of: nets of libraries, frozen ones, held-out samples, reviews, phases,
distillation."""


def with_summary(rules: set[str]) -> set[str]:
    """Return rules, and the one that writes the page where it shows what one of them makes."""
    return rules | {"write_summary"} if rules & SUMMARISED else rules


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
    if rule == "write_shard":  # its input of that name only has to be there
        inputs -= {"results/tiny/catalogue/tiny.quarantine.tsv"}
    return Job(rule, f"{script}.py", re.search(r"# ([0-9a-f]{64})", command)[1], inputs, outputs)


def forget_code() -> None:
    """Let digests be made of files as they are now."""
    closure.code_digest.cache_clear()
    closure.imported_files.cache_clear()


class Plan:
    """The jobs of a copy of the project, and which of them an edit of code reruns."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.jobs = planned_jobs(project)
        self._experiment = Experiment(yaml.safe_load((project / "tiny.yaml").read_text()))

    def digests(self) -> dict[str, str]:
        """Return the digest that the workflow has of each program's code as it is now."""
        forget_code()
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
        forget_code()
        arguments = Namespace(settings="{}", checkpoints=Path("checkpoints"))
        scripts = ("train_model.py", "calibrate_pair.py")
        return [stage_folder(arguments, asked.SCRIPTS / name, []) for name in scripts]


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plan]:
    """Return the plan of a copy of the project; digests are made of the copy's files."""
    project = copy_project(tmp_path_factory.mktemp("edits") / "project")
    write_config(project / "tiny.yaml", write_clothing1m(project / "data"))
    change_config(project, methods=METHODS, ranks=[2, 4])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.setattr(closure, "LIBRARY", project / LIBRARY)
        patch.setattr(asked, "SCRIPTS", (project / LIBRARY).parent)
        yield Plan(project)
    forget_code()


CODE = {
    "reader of PNG": (code("data/png.py"), EVERYTHING),
    "reader of the data set": (
        code("data/layouts/clothing1m.py"),
        EVERYTHING - {"measure_scaling"},
    ),
    "findings of an inspection": (
        code("data/inspection.py"),
        EVERYTHING - {"build_catalogue", "list_classes", "measure_scaling"},
    ),
    "objectives": (code("learning/objectives.py"), AFTER_TRAINING),
    "catalogue": (
        code("data/catalogue.py"),
        EVERYTHING
        - {"inspect_pictures", "write_shard", "index_shard", "list_classes", "measure_scaling"},
    ),
    "losses": (code("learning/losses.py"), AFTER_TRAINING | AIDS | REHEARSALS),
    "reduction of gradients": (code("parallel/exchange.py"), AFTER_TRAINING | REHEARSALS),
    "device and arithmetic": (code("stage/compute.py"), AFTER_TRAINING | REHEARSALS),
    "selection": (code("labels/selection.py"), AFTER_CALIBRATION | REHEARSALS),
    "targets": (code("calibration/targets.py"), AFTER_CALIBRATION | REHEARSALS),
    "weights of CleanNet": (
        code("learning/cleannet.py"),
        {"score_labels", "train_baseline", "evaluate_model", "plot_curves", *ACCURACY, *SCALING},
    ),
    "noise by models": (code("labels/estimators.py"), NOISE),
    "a measure of accuracy": (code("learning/metrics.py"), {*EVALUATION, *ACCURACY, *EXPORT}),
    "a model card": (code("results/model_card.py"), EXPORT),
    "pages of wrong labels": (code("results/suspects.py"), {"list_suspects"}),
    "judging of labels": (code("labels/judging.py"), SUSPECTS),
    "accuracy table": (code("results/accuracy.py"), {"tabulate_accuracy"}),
    "a table's caption": (
        replaced("workflow/scripts/tabulate_accuracy.py", "Measured on", "As measured on"),
        {"tabulate_accuracy"},
    ),
    "rows of scaling": (code("performance/runs.py"), SCALING),
    "the caption of scaling": (
        replaced("workflow/scripts/tabulate_scaling.py", "Measured on", "As measured on"),
        {"tabulate_scaling"},
    ),
    "the figure of scaling": (code("performance/run_figures.py"), {"plot_scaling"}),
    "the model and the tables of the rehearsal": (
        code("performance/scaling.py"),
        {"tabulate_performance"},
    ),
    "a figure": (code("results/figures.py"), DRAWING),
    "the page": (code("results/summary.py"), {"write_summary"}),
}
"""Edits of code, and the rules that they rerun."""


@pytest.mark.parametrize("name", CODE)
def test_an_edit_of_code_reruns_the_rules_whose_results_it_can_change(plan, name):
    edit, expected = CODE[name]
    with edit.applied(plan.project):
        assert plan.rerun() == with_summary(expected)


@pytest.mark.parametrize("name", SILENT)
def test_an_edit_that_changes_no_result_reruns_nothing_and_keeps_checkpoints(plan, name):
    checkpoints = plan.checkpoints()
    with SILENT[name].applied(plan.project):
        assert plan.rerun() == set()
        assert plan.checkpoints() == checkpoints


def test_a_reworded_error_or_description_of_any_settings_reruns_nothing_and_keeps_checkpoints(plan):
    checkpoints = plan.checkpoints()
    files = [path.relative_to(closure.LIBRARY) for path in closure.LIBRARY.rglob("settings.py")]
    edits = [error("base/keys.py"), *(docstring(str(file)) for file in files)]
    assert len(edits) > 5
    with all_applied(edits, plan.project):
        assert plan.rerun() == set()
        assert plan.checkpoints() == checkpoints


@pytest.mark.parametrize("name", ["selection", "objectives"])
def test_trainings_whose_code_changed_do_not_resume(plan, name):
    checkpoints = plan.checkpoints()
    with CODE[name][0].applied(plan.project):
        trained, calibrated = plan.checkpoints()
    changed = trained != checkpoints[0], calibrated != checkpoints[1]
    assert changed == (name == "objectives", name == "selection")


def test_the_plan_holds_every_rule(plan):
    assert {job.rule for job in plan.jobs} == EVERYTHING
    listed = run_snakemake(plan.project, "--list", "--configfile", "tiny.yaml")
    assert set(listed.stdout.split()) - set(TARGETS) == EVERYTHING | NOT_PLANNED


def test_a_dry_run_after_all_edits_that_change_no_result_plans_nothing(
    finished, snakemake, project
):
    with all_applied(list(SILENT.values()), project):
        assert planned(snakemake) == set()


LABELS = {"build_catalogue", "quarantine_pictures", "label_pictures", "tabulate_pictures"}
AFTER_LABELS = {*LABELS, "estimate_noise", "write_summary", *AFTER_TRAINING}
AFTER_LABELS -= {*AIDS, *SUSPECTS, *EXPORT, "plot_scaling"}
"""What a run of the project's tiny configuration makes of a table of labels."""


def test_one_corrected_label_reruns_no_inspection_and_no_shard(finished, snakemake, project):
    change = replaced("data/noisy_label_kv.txt", "images/n/0059.jpg 0", "images/n/0059.jpg 1")
    with change.applied(project):
        assert planned(snakemake) == AFTER_LABELS


def test_appended_pictures_are_inspected_and_stored_and_the_others_are_not(
    finished, snakemake, project
):
    names = [f"images/n/{number:04d}.jpg" for number in range(1000, 1100)]
    for name in names:
        shutil.copy(project / "data/images/n/0000.jpg", project / "data" / name)
    labels, keys = ("".join(f"{name}{end}\n" for name in names) for end in (" 1", ""))
    edits = [
        Edit("data/noisy_label_kv.txt", lambda text: text + labels),
        Edit("data/noisy_train_key_list.txt", lambda text: text + keys),
    ]
    stored = {"inspect_pictures", "write_shard", "index_shard"}
    with all_applied(edits, project):
        assert planned(snakemake) == AFTER_LABELS | stored
        again = snakemake("-n", "--cores", 2, "--configfile", "tiny.yaml", "--quiet", "rules")
    old = {str(path.relative_to(project)) for path in finished.rglob("shards/**/*.h5")}
    assert not {file for file in old if f"output: {file}" in again.stdout + again.stderr}


def commands(project: Path) -> dict[str, set[str]]:
    """Return the commands of each rule's jobs, with all parameters, from a dry run."""
    options = ("-n", "-p", *TARGETS, "-F", "--cores", 2, "--configfile", "tiny.yaml")
    found: dict[str, set[str]] = {}
    for text in run_snakemake(project, *options).stdout.split("\n\n"):
        if rule := re.search(r"^(?:local)?rule (\w+):", text, re.M):
            found.setdefault(rule[1], set()).add(text.partition("Shell command:")[2])
    return found


def test_a_new_key_of_scaling_reruns_the_measurement_that_is_passed_it(plan):
    """Its value is a parameter of that rule; the definition of it is in no digest."""
    before = commands(plan.project)
    settings, schema = f"{LIBRARY}/performance/settings.py", "workflow/schemas/config.schema.json"
    key = '    new_key: int = 1\n    """New."""\n    precision'
    properties = '"samples_per_rank": {'
    edits = [
        replaced(settings, "    precision", key),
        replaced(
            schema, properties, f'"new_key": {{"type": "integer", "default": 1}}, {properties}'
        ),
    ]
    with all_applied(edits, plan.project):
        assert plan.rerun() == set()
        after = commands(plan.project)
    assert {rule for rule in after if after[rule] != before[rule]} == {"measure_scaling"}
