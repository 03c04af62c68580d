"""Start a stage: a script alone, or on MPI ranks with srun in a job of the workflow, else mpiexec."""

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path

from mct.base.errors import UserError
from mct.cluster import jobs, surroundings
from mct.stage import attempts, entry, limits

SCRIPTS = Path(__file__).parent
START_RANK = SCRIPTS / "start_rank.py"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
PASSED = {
    signal.SIGHUP: signal.SIGTERM,
    signal.SIGTERM: signal.SIGTERM,
    signal.SIGUSR1: signal.SIGUSR1,
    signal.SIGINT: None,
}
"""What mpiexec gets for each signal that the launcher gets; a terminal sends SIGINT to both."""


def launch_command(ranks: int, cpus: int, program: list[str], srun: list[str]) -> list[str]:
    """Return the command that starts `program` on `ranks` ranks of `cpus` cores each.

    0 ranks is a program without MPI. `srun` is the launcher of a submitted job, else empty; there one
    rank is a step too: Slurm sends the signal before the time limit to steps only.
    """
    if ranks == 0:
        return [sys.executable, *program]
    python = [sys.executable, str(START_RANK), *program]
    if srun:
        return [*srun, "-n", str(ranks), "-c", str(cpus), "-m", "plane=2", *python]
    return python if ranks == 1 else ["mpiexec", "-n", str(ranks), *python]


def parse_options() -> argparse.Namespace:
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
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    job = jobs.SlurmJob.of_this_process(options.results)
    srun = jobs.srun_command(entry.read_section(options.results / "config.yaml")) if job else []
    program = [str(SCRIPTS / options.program[0]), *options.program[1:]]
    command = launch_command(options.ranks, options.cpus, program, srun)
    surroundings.add_own_programs(os.environ)
    state = options.log.with_suffix(".attempts")
    # Snakemake exports its own count of threads, which is ranks x threads.
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(options.threads)))
    os.environ[attempts.VARIABLE] = str(state.absolute())
    launcher = shutil.which(command[0])
    if launcher is None:
        raise UserError(f"launcher: no {command[0]} on the PATH; activate the environment first")
    earlier = attempts.Attempts(state)
    if job:
        raise SystemExit(run_job(job, command, earlier, options))
    earlier.begin(options.attempt)
    limits.check_shared_memory(options.ranks)
    jobs.leave_allocation()
    if options.ranks > 1 and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        raise SystemExit(run_ranks(command))
    os.execv(launcher, command)


def run_ranks(command: list[str]) -> int:
    """Run mpiexec and return its exit code.

    SIGHUP would end it at once, and its ranks before their checkpoint. So it ignores the one that a
    closed terminal sends to all, and gets SIGTERM in its place. The mpiexec of MPICH passes SIGTERM
    on to its ranks and waits for them. The mpiexec of Open MPI kills its ranks soon after.
    """
    return jobs.run_program(command, PASSED, ignore_hangup)


def ignore_hangup() -> None:
    """Ignore SIGHUP, as nohup does."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def run_job(
    job: jobs.SlurmJob, command: list[str], earlier: attempts.Attempts, options: argparse.Namespace
) -> int:
    """Run a command as part of a Slurm job, note its start and a bad end, return its exit code."""
    note = job.register(options.log, options.ranks, options.attempt)
    code = entry.USER_ERROR
    try:
        earlier.begin(options.attempt)
        limits.check_shared_memory(options.ranks, int(os.environ.get("SLURM_NNODES", "1")))
        code = job.run(command, earlier)
    finally:
        if code:
            jobs.note_end(note, code, earlier, options.log)
    return code


if __name__ == "__main__":
    entry.run(main)
