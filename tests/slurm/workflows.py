"""A workflow on the cluster that a test interferes with while it runs."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cluster
import kills
import psutil
from projects import Process, change_config, copy_project, run_snakemake, write_config
from safetensors.numpy import load_file
from trees import write_clothing1m

LOG = "results/tiny/logs/tiny/mct_paper/seed0_ranks2.log"
MODEL = "results/tiny/models/tiny/mct_paper/seed0_ranks2"
SECONDS = 420
PROFILE = ("--profile", "slurm", "--slurm-partition-config", str(cluster.partitions()))
"""The options that submit to the cluster of the tests."""
POLLING = Path(__file__).with_name("snakemake_polling.py")
"""Snakemake that looks at its Slurm jobs often."""


def new_project(folder: Path, **sections: object) -> Path:
    """Return a copy of the project with the small data set."""
    project = copy_project(folder)
    write_config(project / "tiny.yaml", write_clothing1m(project / "data"))
    change_config(project, **sections)
    return project


def run_on_slurm(project: Path, *arguments: object, seconds: int = 600) -> Process:
    """Run snakemake through Slurm in a project's folder and return what it printed."""
    options = (*arguments, *PROFILE, "--configfile", "tiny.yaml")
    return run_snakemake(project, *options, seconds=seconds, program=[POLLING])


class Workflow:
    """A copy of a prepared project in which calibration is to be done again, through Slurm."""

    def __init__(self, prepared: Path, folder: Path) -> None:
        self.project = folder / "project"
        shutil.copytree(prepared, self.project, symlinks=True)
        shutil.rmtree(self.project / MODEL)
        self._target = f"{MODEL}/primary.safetensors"
        self._reference = prepared / MODEL
        self.output = self.project / "output.txt"
        self._runs: list[psutil.Popen] = []

    def start(self, *options: str) -> psutil.Popen:
        """Start snakemake with the profile for calibration."""
        command = [sys.executable, str(POLLING), self._target, *PROFILE]
        with self.output.open("a") as output:
            run = psutil.Popen(
                [*command, "--configfile", "tiny.yaml", *options],
                cwd=self.project,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        self._runs.append(run)
        return run

    def end(self) -> None:
        """End what a failed test leaves: workflows and their jobs."""
        alive = [run for run in self._runs if run.poll() is None]
        for run in alive:
            os.killpg(run.pid, signal.SIGKILL)
        if alive:
            slurm("scancel", *self.submitted())

    def unlock(self) -> None:
        """Remove the locks of a workflow that was killed, as --unlock does, but at once."""
        shutil.rmtree(self.project / ".snakemake/locks")

    def submitted(self) -> list[int]:
        """Return the numbers of the jobs that were submitted."""
        output = self.output.read_text() if self.output.is_file() else ""
        return [int(job) for job in re.findall(r"with SLURM jobid (\d+)", output)]

    def finish(self, run: psutil.Popen) -> None:
        """Wait for the workflow's end, and check its success and the bits of its result."""
        assert run.wait(SECONDS) == 0, self.output.read_text()
        self.check_result()

    def check_result(self) -> None:
        """Check that the weights are those of the run on this machine without Slurm."""
        for role in ("auxiliary", "primary"):
            ours = load_file(self.project / MODEL / f"{role}.safetensors")
            theirs = load_file(self._reference / f"{role}.safetensors")
            assert {name: value.tobytes() for name, value in ours.items()} == {
                name: value.tobytes() for name, value in theirs.items()
            }

    @property
    def log(self) -> str:
        path = self.project / LOG
        return path.read_text() if path.is_file() else ""

    def wait_for_training(self, run: psutil.Popen | None = None) -> int:
        """Return the Slurm job when the calibration has left a checkpoint."""
        folder = self.project / "results/tiny/checkpoints/tiny/mct_paper"
        wait_for(lambda: any(folder.glob("*/*/step-*")), run, self.output)
        return self.jobs()[-1]

    def jobs(self) -> list[int]:
        """Return the numbers of the jobs that started, in the order of their starts."""
        return [job for _, job in self._starts()]

    def last_start(self) -> float:
        """Return when the last job noted its start, in seconds since the epoch."""
        return self._starts()[-1][0] / 1e9

    def _starts(self) -> list[tuple[int, int]]:
        found = self.project.glob("results/tiny/jobs/*.json")
        names = [path.stem.partition("-") for path in found]
        return sorted((int(nanoseconds), int(job)) for job, _, nanoseconds in names)


def wait_for(condition: Callable[[], bool], run: psutil.Popen | None, output: Path) -> None:
    """Wait until a condition holds; fail when the workflow ends before, or after some minutes."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, output.read_text()
        assert run is None or run.poll() is None, output.read_text()
        time.sleep(0.2)


def slurm(*command: object) -> str:
    """Run one of Slurm's commands and return what it prints."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def epochs_in(seconds: float, model: Path) -> int:
    """Return how many epochs are done in some seconds, as fast as those of a model's folder."""
    record = json.loads((model / "record.json").read_text())
    return round(seconds * record["settings"]["epochs"] / record["training_seconds"])


def node_of(job: int) -> str:
    """Return the first node of a running job."""
    return slurm("squeue", "--noheader", f"--jobs={job}", "--format=%B").strip()


def is_cancelled(job: int) -> bool:
    """Return whether the accounting, which may come late, says that a job was cancelled."""
    return slurm("sacct", "-nXP", f"--jobs={job}", "--format=State").startswith("CANCELLED")


def kill_rank(project: Path) -> None:
    """Kill one rank of a project's running stage with SIGKILL."""
    ranks_of(project)[-1].send_signal(signal.SIGKILL)


def stop_ranks(project: Path) -> None:
    """Stop the ranks of a project's running stage until Slurm signals them, which lets them go on."""
    for rank in ranks_of(project):
        rank.suspend()


def ranks_of(project: Path) -> list[psutil.Process]:
    """Return the ranks of a project's running stage."""
    return [process for process in psutil.process_iter() if is_rank(process, project)]


def is_rank(process: psutil.Process, project: Path) -> bool:
    """Return whether a process is an MPI rank in a project's folder."""
    try:
        return kills.is_rank(process.cmdline()) and process.cwd() == str(project)
    except psutil.Error:
        return False
