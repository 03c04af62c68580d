"""What this workflow asks of Snakemake beyond its documented interface; no other module does.

A test runs all of it with the oldest and the newest Snakemake that `requirements.in` allows.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import snakemake.logging
from snakemake.settings.types import DeploymentMethod

Job = Any
"""A job of Snakemake; its name, rule, output, log, params and resources are asked for."""
Handler = Callable[[Iterable[str]], None]
"""What Snakemake calls with the paths of its logs, before the first job."""


class Snakemake:
    """Snakemake while it reads this workflow: alone, or as a module of another workflow.

    A module is read for each `use rule` statement; each reading has a `modifier` of its own.
    """

    def __init__(self, workflow: Any) -> None:
        self._workflow, self._modifier = workflow, workflow.modifier

    @property
    def plans(self) -> bool:
        """Whether this process plans and starts jobs; else it runs one of them."""
        return self._workflow.is_main_process

    @property
    def is_submitted(self) -> bool:
        """Whether this process runs a job that was submitted, to Slurm for example."""
        return self._workflow.remote_exec

    @property
    def deploys_environments(self) -> bool:
        """Whether rules run in Conda environments of their own."""
        methods = self._workflow.deployment_settings.deployment_method
        return DeploymentMethod.CONDA in methods

    @staticmethod
    def finish_log() -> None:
        """Have all printed that Snakemake has logged so far: older versions do that in a thread."""
        manager = getattr(snakemake.logging, "logger_manager", None)
        if manager is not None:
            manager.stop()

    @property
    def started_in(self) -> Path:
        """The folder that Snakemake was started in; --directory names another one to run in."""
        return Path(getattr(self._workflow, "rundir", "."))

    @property
    def moves_outputs(self) -> bool:
        """Whether the module has a `prefix`."""
        return self._modifier.path_modifier.replace_prefix("results", None) != "results"

    @property
    def is_dry_run(self) -> bool:
        """Whether it has planned jobs and will start none."""
        return self._workflow.dryrun and bool(self._workflow.dag)

    @property
    def reports_interruption(self) -> bool:
        """Whether there is something to resume after an interruption."""
        return not self._workflow.output_settings.dryrun

    @property
    def shows_logs(self) -> bool:
        """Whether it prints the logs of failed jobs itself."""
        return self._workflow.output_settings.show_failed_logs

    def owns(self, job: Job) -> bool:
        """Return whether a job's rule comes from this reading."""
        return job.rule in self._modifier.rules

    def given_name(self, rule: str) -> str:
        """Return the name that the workflow which has this one as a module gives to a rule."""
        return self._modifier.modify_rulename(rule)

    def set_environment(self, file: str) -> None:
        """Let all rules of this reading that have no Conda environment run in this one.

        There is a statement `container` for all rules, but none for Conda.
        """
        for rule in self._modifier.rules:
            if not (rule.norun or rule.conda_env):
                rule.conda_env = file

    def planned_jobs(self) -> Iterator[Job]:
        """Return all jobs that this run makes."""
        return self._workflow.dag.needrun_jobs(exclude_finished=False)

    def jobs_before(self, job: Job) -> Iterable[Job]:
        """Return the jobs whose outputs a job needs."""
        return self._workflow.dag.dependencies[job]

    @property
    def is_silent(self) -> bool:
        """Whether it was told to say nothing at all."""
        return any(each.name == "ALL" for each in self._workflow.output_settings.quiet or ())

    def forced_jobs(self) -> list[Job]:
        """Return the jobs whose rule, or a file that they make, is named by -f, -F or --forcerun.

        Snakemake's own reason `forced` is also that of results that --rerun-incomplete makes again.
        """
        if self._workflow.touch:
            return []
        settings = self._workflow.dag_settings
        named = set(settings.forcerun)
        if settings.forcetargets:
            named.update(settings.targets, settings.until)
        files = {os.path.relpath(name) for name in named}
        rules = self._workflow.dag.forcerules
        return [
            job
            for job in self.planned_jobs()
            if job.rule in rules or not files.isdisjoint(map(os.path.relpath, job.output))
        ]

    def failed_jobs(self) -> list[Job]:
        """Return the jobs that failed for good."""
        scheduler = self._workflow.scheduler
        groups = scheduler.failed if scheduler else ()
        return [job for group in groups for job in (group.jobs if group.is_group() else [group])]

    def call_at_start(self, begin: Handler) -> None:
        """Call `begin` before the first job, where another workflow has this one as a module.

        Snakemake runs the handlers `onstart` of the main workflow only.
        """
        if self._modifier.base_snakefile is None:
            return
        register, others = self._workflow.onstart, self._workflow._onstart

        def after(handler: Handler) -> Handler:
            def call(logs: Iterable[str]) -> None:
                begin(logs)
                handler(logs)

            return call

        self._workflow.onstart = lambda handler: register(after(handler))
        self._workflow._onstart = after(others)
