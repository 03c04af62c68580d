"""How ranks are started, by mpiexec or in a Slurm job by srun."""

import sys

import pytest
from launch_ranks import launch_command

from mct.base.settings import ExecutionSettings
from mct.workflow.jobs import srun_command

PROGRAM = ["train_model.py", "--ranks", "2"]


@pytest.mark.parametrize(("mpi", "command"), [(None, ["srun"]), ("pmi2", ["srun", "--mpi=pmi2"])])
def test_srun_is_told_how_to_start_ranks_where_the_settings_say_so(mpi, command):
    srun = srun_command(ExecutionSettings(srun_mpi=mpi))
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
