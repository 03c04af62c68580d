"""The start of a program: alone, or on MPI ranks by srun in a job of the workflow, else by mpiexec."""

import os
import shutil
import signal
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mct.base.errors import UserError
from mct.cluster import jobs
from mct.stage import attempts, entry, limits

START_RANK = Path(__file__).parents[2] / "start_rank.py"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
PASSED: Mapping[signal.Signals, signal.Signals | None] = {
    signal.SIGHUP: signal.SIGTERM,
    signal.SIGTERM: signal.SIGTERM,
    signal.SIGUSR1: signal.SIGUSR1,
    signal.SIGINT: None,
}
"""What mpiexec gets for each signal that the launcher gets; a terminal sends SIGINT to both.

SIGHUP would end it at once, and its ranks before their checkpoint. So it ignores the one that a closed
terminal sends to all, and gets SIGTERM in its place. The mpiexec of MPICH passes SIGTERM on to its
ranks and waits for them. The mpiexec of Open MPI kills its ranks soon after.
"""
LAUNCHERS = ("PMI_", "PMIX_", "OMPI_", "HYDI_", "HYDRA_", "MPI_LOCAL", "PALS_", "MV2_COMM_WORLD_")
"""How variables begin that an MPI launcher gives its processes."""
SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
"""Where a launcher says how many processes it started; srun with PMIx says it as Slurm does."""
Environment = MutableMapping[str, str]


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


def leave_launcher(environment: Environment) -> None:
    """Forget the MPI launcher that started Snakemake: stages would take themselves for its ranks.

    Raises UserError: it started several processes, which would all run the same workflow.
    """
    if not any(name in environment for name in entry.RANKS):
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


@dataclass(frozen=True, kw_only=True)
class Launch:
    """A program and its options, to be started as attempt 1, 2, ... of a job of an experiment.

    `log` is the job's, `results` the experiment's folder. There are `ranks` ranks (0: not an MPI
    program) of `threads` threads each, in a Slurm job of `cpus` cores each.
    """

    program: list[str]
    log: Path
    results: Path
    attempt: int
    ranks: int
    threads: int
    cpus: int

    def run(self) -> int:
        """Run the program and return its exit code; a lone process may take the place of this one."""
        job = jobs.SlurmJob.of_this_process(self.results)
        srun = jobs.srun_command(entry.read_section(self.results / "config.yaml")) if job else []
        command = launch_command(self.ranks, self.cpus, self.program, srun)
        earlier = self._surround()
        launcher = shutil.which(command[0])
        if launcher is None:
            raise UserError(
                f"launcher: no {command[0]} on the PATH; activate the environment first"
            )
        if job:
            return self._run_in_job(job, command, earlier)
        earlier.begin(self.attempt)
        limits.check_shared_memory(self.ranks)
        jobs.leave_allocation()
        if self.ranks > 1 and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            ignore_hangup = partial(signal.signal, signal.SIGHUP, signal.SIG_IGN)
            return jobs.run_program(command, PASSED, ignore_hangup)
        return os.execv(launcher, command)

    def _surround(self) -> attempts.Attempts:
        """Set the variables that the program needs; return the attempts of its job."""
        add_own_programs(os.environ)
        state = self.log.with_suffix(".attempts")
        # Snakemake exports its own count of threads, which is ranks x threads.
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(self.threads)))
        os.environ[attempts.VARIABLE] = str(state.absolute())
        return attempts.Attempts(state)

    def _run_in_job(
        self, job: jobs.SlurmJob, command: list[str], earlier: attempts.Attempts
    ) -> int:
        """Run a command as part of a Slurm job, note its start and a bad end, return its exit code."""
        note = job.register(self.log, self.ranks, self.attempt)
        code = entry.USER_ERROR
        try:
            earlier.begin(self.attempt)
            limits.check_shared_memory(self.ranks, int(os.environ.get("SLURM_NNODES", "1")))
            code = job.run(command, earlier)
        finally:
            if code:
                jobs.note_end(note, code, earlier, self.log)
        return code
