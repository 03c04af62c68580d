"""Run a script as an MPI rank, with mpi4py's runner: a rank that fails ends the others.

Slurm's signal before a time limit may come while a rank still starts, and would end it. It waits
from here on until the stage takes it (`mct.stage.checkpoint`). Ctrl-C ends a rank that still starts
as SIGTERM does, without a traceback. So does SIGHUP: UCX, below MPICH, treats it as a request to debug.
"""

import os
import runpy
import signal


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.environ.setdefault("UCX_DEBUG_SIGNO", "0")
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    runpy.run_module("mpi4py", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
