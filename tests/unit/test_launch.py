"""How ranks are started, by mpiexec or in a job that the workflow submitted by srun."""

import os
import subprocess
import sys
from pathlib import Path

import launch_ranks
import pytest
import yaml

from mct.cluster.jobs import SUBMITTED, srun_command
from mct.cluster.launch import launch_command
from mct.experiment.configuration import resolve

PROGRAM = ["train_model.py", "--ranks", "2"]


@pytest.mark.parametrize(("mpi", "command"), [(None, ["srun"]), ("pmi2", ["srun", "--mpi=pmi2"])])
def test_srun_is_told_how_to_start_ranks_where_the_settings_say_so(mpi, command):
    srun = srun_command({"srun_mpi": mpi})
    assert srun == command
    started = launch_command(2, 3, PROGRAM, srun)
    assert started[: len(command)] == command
    assert started[len(command) : len(command) + 6] == ["-n", "2", "-c", "3", "-m", "plane=2"]
    assert started[-3:] == PROGRAM


def test_one_rank_is_a_step_of_a_slurm_job_and_elsewhere_a_plain_process():
    assert launch_command(1, 1, PROGRAM, ["srun"])[:3] == ["srun", "-n", "1"]
    assert launch_command(1, 1, PROGRAM, [])[0] == sys.executable


def test_several_ranks_are_started_by_mpiexec_outside_of_slurm():
    assert launch_command(4, 1, PROGRAM, [])[:3] == ["mpiexec", "-n", "4"]


@pytest.mark.parametrize("srun", [[], ["srun"]])
def test_a_program_without_mpi_is_started_alone(srun):
    assert launch_command(0, 1, PROGRAM, srun) == [sys.executable, *PROGRAM]


@pytest.mark.parametrize(
    ("submitted", "expected"), [("", "mpiexec -n 2, job none"), ("yes", "srun -n 2, job 12")]
)
def test_srun_starts_the_ranks_of_submitted_jobs_only(
    tmp_path: Path, submitted: str, expected: str
):
    for name in ("mpiexec", "srun"):
        fake = tmp_path / name
        fake.write_text('#!/bin/sh\necho "${0##*/} $1 $2, job ${SLURM_JOB_ID:-none}"\n')
        fake.chmod(0o755)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(resolve({})))
    options = ["--log", tmp_path / "x.log", "--results", tmp_path, "--ranks", "2", *PROGRAM]
    done = subprocess.run(
        [sys.executable, launch_ranks.__file__, *options],
        env={
            **os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "SLURM_JOB_ID": "12", SUBMITTED: submitted,
        },
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines() == [expected], done.stderr
    assert len(list(tmp_path.glob("jobs/*.json"))) == (1 if submitted else 0)
