"""A process group of torch.distributed over the ranks of a communicator.

MPI starts the ranks and tells them where to meet; no variable of torchrun is needed, nor the one
global group, so that both models of a pair have groups of their own.
"""

from datetime import timedelta
from typing import Any

import torch.distributed as dist

from mct.parallel.comm import Comm, host_name

PATIENCE = timedelta(minutes=20)


def join(comm: Comm, backend: str) -> Any:
    """Return a process group of all ranks of `comm`: `nccl` or `gloo`. Collective."""
    hosts = comm.allgather(host_name())
    address = "localhost" if len(set(hosts)) == 1 else hosts[0]
    store = _open_store(comm, address)
    if backend == "gloo":
        return dist.ProcessGroupGloo(store, comm.rank, comm.size, PATIENCE)
    options = dist.ProcessGroupNCCL.Options()
    options._timeout = PATIENCE
    return dist.ProcessGroupNCCL(store, comm.rank, comm.size, options)


def _open_store(comm: Comm, address: str) -> dist.TCPStore:
    """Return the store through which ranks meet; rank 0 serves it on a free port."""
    store = None
    if comm.rank == 0:
        store = dist.TCPStore(address, 0, None, True, PATIENCE, wait_for_workers=False)
    port = comm.bcast(store.port if store else None)
    return store or dist.TCPStore(address, port, None, False, PATIENCE)
