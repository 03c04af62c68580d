"""Limits of the system that a stage would run into: open files, and shared memory for MPI."""

import os
import resource
from contextlib import suppress
from importlib import metadata, util
from pathlib import Path

from mct.base.errors import UserError

MOST_FILES = 1 << 16
"""Programs that keep a table of all files that might be open get slow with more."""
CHOICES_OF_MPI = ("MPI4PY_MPIABI", "MPI4PY_LIBMPI")
"""The variables by which mpi4py loads another MPI."""
SHARED_MEMORY = Path("/dev/shm")
RANK_BYTES = 5_500_000
"""What MPICH 5.0 takes of shared memory for each rank of a node: 5,394,432 bytes were measured, for 1,
2, 4, 8 and 14 ranks alike. With less, ranks die of SIGBUS without a message."""


def allow_open_files() -> None:
    """Raise the limit of open files as far as this process may, to MOST_FILES at most."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(ValueError, OSError):  # some systems have a lower limit that nobody names
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def check_shared_memory(ranks: int, nodes: int = 1) -> None:
    """Raise UserError where this node lacks the shared memory for its part of some MPI ranks.

    Only of the MPICH that is installed with the workflow is it known how much that is.
    """
    if not uses_installed_mpich():
        return
    try:
        status = os.statvfs(SHARED_MEMORY)
    except OSError:  # a system without such a folder has its shared memory elsewhere
        return
    here = -(-ranks // nodes)
    free, needed = status.f_bavail * status.f_frsize, here * RANK_BYTES
    if free < needed:
        raise UserError(
            f"{SHARED_MEMORY}: {here} MPI ranks need {needed / 1e6:.1f} MB of shared memory, "
            f"{free / 1e6:.1f} MB are free; enlarge it (mount -o remount,size=1g {SHARED_MEMORY}, or "
            "docker run --shm-size=1g) or take fewer ranks"
        )


def uses_installed_mpich() -> bool:
    """Return whether ranks load the MPICH of Python's package index.

    The wheel of mpi4py is built for several MPIs. It loads the one that is installed next to the
    interpreter, unless its variables name another. An mpi4py that a site has built has a single MPI.
    """
    try:
        metadata.distribution("mpich")
    except metadata.PackageNotFoundError:
        return False
    if any(name in os.environ for name in CHOICES_OF_MPI):
        return False
    mpi4py = util.find_spec("mpi4py")
    folders = mpi4py.submodule_search_locations if mpi4py else None
    return any([*Path(folder).glob("MPI.mpich.*")] for folder in folders or [])
