"""Start a stage: a script alone, or on MPI ranks with srun in a job of the workflow, else mpiexec."""

import argparse
from pathlib import Path

from mct.cluster.launch import Launch
from mct.stage import entry


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempt", type=int, default=1, help="number of this attempt of the job")
    parser.add_argument("--log", type=Path, required=True, help="the job's log")
    parser.add_argument("--results", type=Path, required=True, help="the experiment's results")
    parser.add_argument("--ranks", type=int, default=0, help="MPI ranks; 0: not an MPI program")
    parser.add_argument("--threads", type=int, default=1, help="threads of each rank")
    parser.add_argument("--cpus", type=int, default=1, help="cores of each rank in a Slurm job")
    parser.add_argument(
        "program", nargs=argparse.REMAINDER, help="script of this folder, its options"
    )
    options = parser.parse_args()
    script, *arguments = options.program
    options.program = [str(Path(__file__).parent / script), *arguments]
    raise SystemExit(Launch(**vars(options)).run())


if __name__ == "__main__":
    entry.run(main)
