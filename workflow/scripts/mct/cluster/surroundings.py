"""What a run must not depend on: the environment and launcher that Snakemake is started with."""

import os
import sys
from collections.abc import MutableMapping
from pathlib import Path

from mct.base.errors import UserError
from mct.stage.entry import RANKS

LAUNCHERS = ("PMI_", "PMIX_", "OMPI_", "HYDI_", "HYDRA_", "MPI_LOCAL", "PALS_", "MV2_COMM_WORLD_")
"""How variables begin that an MPI launcher gives its processes."""
SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
"""Where a launcher says how many processes it started; srun with PMIx says it as Slurm does."""

Environment = MutableMapping[str, str]


def leave_launcher(environment: Environment) -> None:
    """Forget the MPI launcher that started Snakemake: stages would take themselves for its ranks.

    Raises UserError: it started several processes, which would all run the same workflow.
    """
    if not any(name in environment for name in RANKS):
        return
    size = next((environment[name] for name in SIZES if name in environment), "1")
    if size != "1":
        raise UserError(
            f"snakemake was started {size} times by an MPI launcher; start it once: it starts "
            "the ranks itself"
        )
    for name in [name for name in environment if name.startswith(LAUNCHERS)]:
        del environment[name]


def add_own_programs(environment: Environment) -> None:
    """Have programs of this interpreter's environment, such as mpiexec, found without activation.

    The order of an activated environment's PATH is the user's.
    """
    folder = str(Path(sys.executable).parent)
    path = environment.get("PATH", os.defpath).split(os.pathsep)
    if folder not in path:
        environment["PATH"] = os.pathsep.join([folder, *path])
