"""Start a program on a number of MPI ranks: directly, with srun in a Slurm job, else with mpiexec."""

import argparse
import os
import shutil
import sys

from mct import entry
from mct.errors import UserError

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def launch_command(ranks: int, threads: int, program: list[str], in_slurm: bool) -> list[str]:
    """Return the command that starts `program` on `ranks` ranks of `threads` threads each."""
    python = [sys.executable, "-m", "mpi4py", *program]
    if ranks == 1:
        return python
    if in_slurm:
        return ["srun", "-n", str(ranks), "-c", str(threads), "-m", "plane=2", *python]
    return ["mpiexec", "-n", str(ranks), *python]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("program", nargs=argparse.REMAINDER, help="script and its options")
    arguments = parser.parse_args()
    command = launch_command(
        arguments.ranks, arguments.threads, arguments.program, "SLURM_JOB_ID" in os.environ
    )
    # Snakemake exports its own count, which is ranks x threads.
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(arguments.threads)))
    launcher = shutil.which(command[0])
    if launcher is None:
        raise UserError(
            f"launcher: expected {command[0]} on the PATH, found none; activate the environment"
        )
    os.execv(launcher, command)


if __name__ == "__main__":
    entry.run(main)
