"""One reading of the workflow's files: what it checks, claims and says before, in and after a run.

As a module of another workflow, this one is read for each `use rule` statement, and for each experiment.
"""

import atexit
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TextIO

from mct.base.errors import UserError
from mct.base.packages import ONNX, advise_installing
from mct.cluster import disk, overview, results_folder
from mct.cluster.demands import REMEDIES
from mct.cluster.endings import FailedJob, Interruption, Run, last_words, resume_line
from mct.cluster.jobs import SUBMITTED
from mct.cluster.launch import leave_launcher
from mct.cluster.outcome import outcome
from mct.cluster.planning import Planner
from mct.cluster.schedules import schedule_lines
from mct.cluster.site import Site, queues_file, read_site
from mct.cluster.snakemake_internals import Job, Snakemake
from mct.experiment.experiment import SCRIPTS, Experiment

KNOWN = {*REMEDIES, *disk.RULES, "list_suspects", "measure_scaling", "measure_prefetch"}
"""Rules whose jobs are checked, or counted, by name."""
INTERRUPTION = Interruption()


@dataclass
class Part:
    """The part of a workflow that makes the results of one experiment."""

    readings: list[Snakemake] = field(default_factory=list)
    run: Run | None = None
    """The run, when it has begun."""

    def owns(self, job: Job) -> bool:
        """Return whether a job is of this part, not of the workflow that has it as a module."""
        return any(reading.owns(job) for reading in self.readings)

    def end(self, failed: Iterable[Job]) -> list[FailedJob]:
        """Write the table of Slurm jobs; return what is known of this part's failed jobs."""
        if self.run is None:
            return []
        own = [(job.name, job.jobid, str(job.log[0])) for job in failed if self.owns(job)]
        return self.run.end(own)


PARTS: dict[str, Part] = {}
"""By the folder of an experiment's results: what the readings in one process share."""


class Reading:
    """The experiment that a reading's rules ask, its site, and the part of the workflow it is of."""

    def __init__(self, workflow: Any, config: Mapping[str, Any], arguments: Sequence[str]) -> None:
        """Check the configuration, or end with one line and code 2.

        `arguments` are Snakemake's command line.
        """
        self.snakemake, self._arguments, self._folder = Snakemake(workflow), arguments, Path.cwd()
        if self.snakemake.plans:  # first, since large lists take a while
            INTERRUPTION.watch_planning()
        self._set_variables()
        try:
            self.experiment, self.site = self._open(config)
        except UserError as error:
            end_with(error)
        self.planner = Planner(self.experiment, self.site)
        self._names = {self.snakemake.given_name(rule): rule for rule in KNOWN}
        self._register()

    def _set_variables(self) -> None:
        """Set what commands of rules name the interpreter and the scripts by.

        Paths in the commands would rerun everything when the checkout is moved, or when Snakemake is
        started from another folder.
        """
        os.environ[SUBMITTED] = "yes" if self.snakemake.is_submitted else ""
        os.environ["MCT_SCRIPTS"] = str(SCRIPTS)
        # Also where Snakemake's environment is not activated; rules may have one of their own.
        own_python = self.snakemake.deploys_environments
        os.environ["MCT_PYTHON"] = "python" if own_python else sys.executable

    def _open(self, config: Mapping[str, Any]) -> tuple[Experiment, Site]:
        plans = self.snakemake.plans
        if plans:
            leave_launcher(os.environ)
        if self.snakemake.moves_outputs:
            raise UserError(
                "module: `prefix` moves outputs only; set `results` in its configuration"
            )
        experiment = Experiment(config, in_job=not plans, memory=Path(".snakemake/mct"))
        experiment.check_paths()
        return experiment, read_site(queues_file(self._arguments, self.snakemake.started_in))

    def _register(self) -> None:
        """Join the part of this experiment; the first reading of all watches over the end."""
        is_first, folder = not PARTS, self.experiment.folder
        is_first_of_part = folder not in PARTS
        self._part = PARTS.setdefault(folder, Part())
        self._part.readings.append(self.snakemake)
        if is_first_of_part:
            atexit.register(self._end_dry_run)
        if is_first:
            atexit.register(end_run, self.snakemake, self._arguments, self._folder)

    def complete(self, environment: str) -> None:
        """Finish the reading, when all rules are there: they run in a Conda environment if asked."""
        self.snakemake.set_environment(environment)
        self.snakemake.call_at_start(self.begin)

    def begin(self, logs: Iterable[str]) -> None:
        """Check jobs against queues and claim the results before the first job, or end with code 2."""
        if self._part.run:
            return  # of a module: another reading of it, or its workflow, has called this
        log = Path(next(iter(logs or []), os.devnull))
        try:
            for refusal in self._refusals():
                raise UserError(refusal)
            note(self._notes())
            warn(self.experiment.cautions())
            on_cluster = self.site.is_cluster
            results_folder.begin(self.experiment, self._forced(), log, on_cluster=on_cluster)
        except UserError as error:
            self.snakemake.finish_log()
            end_with(error)
        results = Path(self.experiment.folder)
        say([f"{len(self._jobs())} jobs; results and logs: {results}/"], sys.stdout)
        self._part.run = Run(folder=self._folder, results=results, workflow_log=log.absolute())
        INTERRUPTION.watch_jobs()

    def _forced(self) -> list[str]:
        """Return the folders of checkpoints of trainings that a flag makes run."""
        own = filter(self._part.owns, self.snakemake.forced_jobs())
        return list(filter(None, (job.params.get("checkpoints") for job in own)))

    def _jobs(self) -> list[Job]:
        """Return the jobs of this part that the run makes."""
        return list(filter(self._part.owns, self.snakemake.planned_jobs()))

    def _rule_of(self, job: Job) -> str:
        """Return a job's rule by its name in this workflow, whatever a module's user calls it."""
        return self._names.get(job.name, job.name)

    def _notes(self) -> list[str]:
        """Return what the configuration left open, and what this environment makes the run leave out."""
        exports = "export_model" in map(self._rule_of, self._jobs())
        is_own = not self.snakemake.deploys_environments  # else jobs have the pinned packages
        lacking = advise_installing(*ONNX) if exports and is_own else ""
        left_out = [f"export: model.onnx is left out, since {lacking}"] if lacking else []
        return [*self.experiment.notes, *self.experiment.changes(), *left_out]

    def _refusals(self) -> list[str]:
        """Return what the configuration lacks, or why no queue takes jobs, by rule and reason."""
        jobs = self._jobs()
        names = list(map(self._rule_of, jobs))
        try:
            self.experiment.check_rules(set(names))
        except UserError as error:
            return [str(error)]
        found = [
            (job.name, self.planner.refusal(name, job.resources, job.wildcards.get("ranks", "")))
            for job, name in zip(jobs, names, strict=True)
        ]
        return list(dict.fromkeys(f"{name}: {refusal}" for name, refusal in found if refusal))

    def _end_dry_run(self) -> None:
        """After a dry run, say what it comes to; warn of what is doubtful and of what a run would refuse."""
        if self.snakemake.is_dry_run:
            note(self._notes())
            say([] if self.snakemake.is_silent else self._overview(), sys.stdout)
            warn([*self.experiment.cautions(), *self._refusals()])

    def _overview(self) -> list[str]:
        """Return what the plan comes to: a table of jobs and their total, and what schedules there are.

        Tables and figures, which take no time to speak of, are left out.
        """
        jobs = {
            job: self._planned(job) for job in self._jobs() if job.resources.get("work_seconds")
        }
        if not jobs:
            return []
        if not self.site.is_cluster:
            ends = overview.ends_of(dict.fromkeys(jobs, 1), self.snakemake.jobs_before)
            planned = [jobs[job] for job in sorted(jobs, key=ends.__getitem__)]
            shown = [*overview.local_table(planned), overview.local_total(planned)]
            return ["", *shown, *schedule_lines(self.experiment)]
        hours = {job: planned.hours for job, planned in jobs.items()}
        ends = overview.ends_of(hours, self.snakemake.jobs_before)
        timed = [(planned, ends[job]) for job, planned in jobs.items()]
        shown = [*overview.table(timed), overview.total(timed)]
        return ["", *shown, *schedule_lines(self.experiment)]

    def _planned(self, job: Job) -> overview.PlannedJob:
        """Return what is known of a job of the plan."""
        stored = self.planner.stored_megabytes(self._rule_of(job))
        return overview.PlannedJob.of(job.name, job.resources, stored)


def end_run(snakemake: Snakemake, arguments: Sequence[str], folder: Path) -> None:
    """Say as the last thing on the screen why jobs failed, or how an interrupted run is resumed."""
    resume, failed = resume_line(arguments, folder), snakemake.failed_jobs()
    for part in PARTS.values():
        jobs = part.end(failed)
        if INTERRUPTION.came:
            jobs = [job for job in jobs if job.is_fault]
        say(last_words(jobs, resume, with_logs=not snakemake.shows_logs))
        if part.run and not (failed or INTERRUPTION.came):
            say(outcome(part.run.results, part.run.began), sys.stdout)
    if INTERRUPTION.came and snakemake.reports_interruption:
        say([f"interrupted: {resume}"])


def say(lines: Iterable[str], stream: TextIO | None = None) -> None:
    """Print lines for the user, on stderr by default; the terminal may be gone."""
    with suppress(OSError):
        for line in lines:
            print(line, file=stream or sys.stderr, flush=True)


def note(lines: Iterable[str]) -> None:
    """Print what the configuration left open and how it was decided, one line each."""
    say(f"note: {line}" for line in lines)


def warn(lines: Iterable[str]) -> None:
    """Print warnings, one per line."""
    say(f"warning: {line}" for line in lines)


def end_with(error: UserError) -> NoReturn:
    """End Snakemake with the line of a user's error."""
    print(f"error: {error}", file=sys.stderr)
    raise SystemExit(2) from None
