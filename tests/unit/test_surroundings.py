"""What Snakemake was started with does not reach the stages."""

import sys
from pathlib import Path

import pytest

from mct.base.errors import UserError
from mct.cluster.launch import add_own_programs, leave_launcher

HYDRA = {"PMI_FD": "9", "PMI_RANK": "0", "PMI_SIZE": "1", "MPI_LOCALNRANKS": "1"}
OPENMPI = {"OMPI_COMM_WORLD_RANK": "0", "OMPI_MCA_ess": "^singleton", "PMIX_RANK": "0"}
TUNING = {"MPIR_CVAR_ALLREDUCE_INTRA_ALGORITHM": "ring", "PATH": "/bin"}


@pytest.mark.parametrize("launcher", [HYDRA, OPENMPI])
def test_variables_of_a_launcher_are_forgotten_and_settings_are_kept(launcher: dict[str, str]):
    environment = launcher | TUNING
    leave_launcher(environment)
    assert environment == TUNING


def test_settings_of_open_mpi_are_kept_without_a_launcher():
    environment = {"OMPI_MCA_btl": "tcp,self"}
    leave_launcher(environment)
    assert environment == {"OMPI_MCA_btl": "tcp,self"}


@pytest.mark.parametrize(
    "environment",
    [HYDRA | {"PMI_SIZE": "3"}, {"PMIX_RANK": "0", "SLURM_STEP_NUM_TASKS": "3"}],
    ids=["mpiexec", "srun with PMIx"],
)
def test_several_processes_are_refused(environment: dict[str, str]):
    with pytest.raises(UserError, match="started 3 times"):
        leave_launcher(environment)


def test_a_step_of_several_tasks_without_mpi_is_no_launcher():
    leave_launcher({"SLURM_STEP_NUM_TASKS": "3"})


def test_programs_of_the_environment_are_found_and_an_activated_one_keeps_its_order():
    own = str(Path(sys.executable).parent)
    for path, expected in (("/usr/bin", f"{own}:/usr/bin"), (f"/site:{own}", f"/site:{own}")):
        environment = {"PATH": path}
        add_own_programs(environment)
        assert environment["PATH"] == expected
