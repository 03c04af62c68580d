"""Start a stage: a script alone, or on MPI ranks with srun in a Slurm job, else with mpiexec."""

import argparse
import os
import shutil
import sys
from pathlib import Path

from mct import attempts, entry
from mct.errors import UserError

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def launch_command(ranks: int, threads: int, program: list[str], in_slurm: bool) -> list[str]:
    """Return the command that starts `program` on `ranks` ranks of `threads` threads each.

    0 ranks is a program without MPI.
    """
    if ranks == 0:
        return [sys.executable, *program]
    python = [sys.executable, "-m", "mpi4py", *program]
    if ranks == 1:
        return python
    if in_slurm:
        return ["srun", "-n", str(ranks), "-c", str(threads), "-m", "plane=2", *python]
    return ["mpiexec", "-n", str(ranks), *python]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempt", type=int, default=1, help="number of this attempt of the job")
    parser.add_argument("--log", type=Path, required=True, help="the job's log")
    parser.add_argument("--ranks", type=int, default=0, help="MPI ranks; 0: not an MPI program")
    parser.add_argument("--threads", type=int, default=1, help="threads of each rank")
    parser.add_argument("program", nargs=argparse.REMAINDER, help="script and its options")
    arguments = parser.parse_args()
    state = arguments.log.with_suffix(".attempts")
    attempts.Attempts(state).begin(arguments.attempt)
    in_slurm = "SLURM_JOB_ID" in os.environ
    command = launch_command(arguments.ranks, arguments.threads, arguments.program, in_slurm)
    # Snakemake exports its own count of threads, which is ranks x threads.
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(arguments.threads)))
    os.environ[attempts.VARIABLE] = str(state.absolute())
    launcher = shutil.which(command[0])
    if launcher is None:
        raise UserError(f"launcher: no {command[0]} on the PATH; activate the environment first")
    os.execv(launcher, command)


if __name__ == "__main__":
    entry.run(main)
