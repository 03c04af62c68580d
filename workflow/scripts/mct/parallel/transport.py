"""What carries a bucket of gradients between ranks: MPI from the host, or torch.distributed.

MPI serves processors, and GPUs that several ranks share (NCCL refuses those): their gradients are
staged on the host. torch.distributed sums on the GPUs themselves where each rank has its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

import torch
from torch import Tensor

from mct.base.errors import UserError
from mct.parallel.comm import Comm, host_name
from mct.parallel.exchange import ALGORITHMS, Exchange

AUTOMATIC, MPI_ALGORITHM, HALF_ALGORITHM = "auto", "mpi", "reduce_scatter_allgather"
DEVICE_BACKENDS = ("nccl", "gloo")
PATIENCE = timedelta(minutes=20)


class Running(Protocol):
    """A sum that has started."""

    def progress(self) -> None:
        """Go on without waiting."""

    def finish(self) -> None:
        """Wait until the tensor holds the sum."""


class Sum(Running, Protocol):
    """The sum of one tensor over all ranks, in place, again and again."""

    def start(self) -> None:
        """Send what the tensor holds; every rank starts its sums in the same order."""


@dataclass(frozen=True)
class Transport:
    """Makes sums over ranks; `prepare` gets a flat tensor and its number, the same on all ranks."""

    name: str
    prepare: Callable[[Tensor, int], Sum]


class SumOfOne:
    """The sum over one rank."""

    def start(self) -> None:
        """Do nothing: the tensor holds its sum."""

    progress = finish = start


ALONE = Transport("none", lambda values, place: SumOfOne())


class StagedSum:
    """A sum in `staged`, the values' own memory or a buffer of what travels; `begin` sums it in place."""

    def __init__(self, values: Tensor, staged: Tensor, begin: Callable[[Tensor], Running]) -> None:
        self._values, self._staged, self._begin = values, staged, begin

    def start(self) -> None:
        """Start to sum what the tensor holds."""
        if self._staged is not self._values:
            self._staged.copy_(self._values)
        self._running = self._begin(self._staged)

    def progress(self) -> None:
        """Go on as far as messages have arrived."""
        self._running.progress()

    def finish(self) -> None:
        """Wait until the tensor holds the sum."""
        self._running.finish()
        if self._staged is not self._values:
            self._values.copy_(self._staged)


def host_transport(comm: Comm, algorithm: str, wire: torch.dtype | None = None) -> Transport:
    """Return sums over MPI of values on any device; `wire` is the type that travels, None theirs."""

    def prepare(values: Tensor, place: int) -> Sum:
        kind, is_cuda = wire or values.dtype, values.device.type == "cuda"
        staged = values
        if kind != values.dtype or values.device.type != "cpu":
            staged = torch.empty(values.shape, dtype=kind, pin_memory=is_cuda)
        steps = ALGORITHMS[algorithm]
        return StagedSum(values, staged, lambda part: Exchange(steps(comm, part, place)))

    return Transport(algorithm, prepare)


class GroupWork:
    """A running sum of torch.distributed, which has threads or streams of its own."""

    def __init__(self, work: Any) -> None:
        self.finish = work.wait

    def progress(self) -> None:
        """Do nothing: it goes on by itself."""


def device_transport(group: Any, name: str, wire: torch.dtype | None = None) -> Transport:
    """Return sums by a process group, on the values' device; `wire` as in `host_transport`."""

    def prepare(values: Tensor, place: int) -> Sum:
        is_own = wire in (None, values.dtype)
        staged = values if is_own else torch.empty_like(values, dtype=wire)
        return StagedSum(values, staged, lambda part: GroupWork(group.allreduce([part])))

    return Transport(name, prepare)


def choose_transport(
    comm: Comm, allreduce: str, device: torch.device, wire: torch.dtype | None = None
) -> Transport:
    """Return what sums gradients over `comm`. Collective.

    UserError for `nccl` without a GPU for each rank, and for MPI's sum in bfloat16. `allreduce` is
    one of exchange.ALGORITHMS, `nccl`, `gloo`, or `auto`: nccl where every rank has a GPU of its
    own, else MPI's sum, or the direct exchange of bfloat16, which MPI cannot add. `wire` is the
    type that travels; None is the gradients' own.
    """
    if comm.size == 1:
        return ALONE
    is_half = wire == torch.bfloat16
    exclusive = owns_gpu(comm, device)
    if allreduce == "nccl" and not exclusive:
        raise UserError(
            "execution.allreduce: nccl needs a GPU for each rank of a model; set it to auto"
        )
    if allreduce == MPI_ALGORITHM and is_half:
        raise UserError(
            "execution.allreduce: MPI cannot add bfloat16 (optimizer.gradient_wire); "
            f"set it to auto or {HALF_ALGORITHM}"
        )
    if allreduce == AUTOMATIC:
        allreduce = "nccl" if exclusive else HALF_ALGORITHM if is_half else MPI_ALGORITHM
    if allreduce in DEVICE_BACKENDS:
        return device_transport(process_group(comm, allreduce), allreduce, wire)
    return host_transport(comm, allreduce, wire)


def unit_name(device: torch.device) -> str:
    """Return what tells a device from others of its host; Slurm may show each rank its GPU as the first."""
    if device.type != "cuda":
        return str(device)
    return str(torch.cuda.get_device_properties(device).uuid)


def owns_gpu(comm: Comm, device: torch.device) -> bool:
    """Return whether every rank of `comm` computes on a GPU that no other of them uses. Collective."""
    places = comm.allgather((host_name(), unit_name(device)))
    return device.type == "cuda" and len(set(places)) == comm.size


def process_group(comm: Comm, backend: str) -> Any:
    """Return a process group of torch.distributed for all ranks of `comm`: `nccl` or `gloo`.

    MPI starts the ranks and tells them where to meet; no variable of torchrun is needed, nor the one
    global group, so both models of a pair have groups of their own. Collective.
    """
    import torch.distributed as dist  # takes a second

    hosts = comm.allgather(host_name())
    address, store = "localhost" if len(set(hosts)) == 1 else hosts[0], None
    if comm.rank == 0:  # it serves the store on a free port
        store = dist.TCPStore(address, 0, None, True, PATIENCE, wait_for_workers=False)
    port = comm.bcast(store.port if store else None)
    store = store or dist.TCPStore(address, port, None, False, PATIENCE)
    if backend == "gloo":
        return dist.ProcessGroupGloo(store, comm.rank, comm.size, PATIENCE)
    options = dist.ProcessGroupNCCL.Options()
    options._timeout = PATIENCE
    return dist.ProcessGroupNCCL(store, comm.rank, comm.size, options)
