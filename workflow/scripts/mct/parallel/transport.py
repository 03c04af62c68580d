"""What carries a bucket of gradients between ranks: MPI from the host, or torch.distributed.

MPI serves processors, and GPUs that several ranks share (NCCL refuses those): their gradients are
staged on the host. torch.distributed sums on the GPUs themselves where each rank has its own.
"""

from typing import Any, Protocol

import torch
from torch import Tensor

from mct.base.errors import UserError
from mct.parallel.comm import Comm, host_name
from mct.parallel.exchange import ALGORITHMS, Exchange

AUTOMATIC, MPI_ALGORITHM, HALF_ALGORITHM = "auto", "mpi", "reduce_scatter_allgather"
DEVICE_BACKENDS = ("nccl", "gloo")


class Sum(Protocol):
    """The sum of one tensor over all ranks, in place, again and again."""

    def start(self) -> None:
        """Send what the tensor holds; every rank starts its sums in the same order."""

    def progress(self) -> None:
        """Go on without waiting."""

    def finish(self) -> None:
        """Wait until the tensor holds the sum."""


class Transport(Protocol):
    """Makes sums over the ranks of a communicator."""

    name: str

    def prepare(self, values: Tensor, place: int) -> Sum:
        """Return the sum of a flat tensor; `place` is its number, the same on all ranks."""


class Alone:
    """The sum over one rank: nothing is to do."""

    name = "none"

    def prepare(self, values: Tensor, place: int) -> Sum:
        """Return a sum that leaves its tensor as it is."""
        return self

    def start(self) -> None:
        """Do nothing."""

    def progress(self) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""


class HostTransport:
    """Sums over MPI; `wire` is the type that travels, None that of the values."""

    def __init__(self, comm: Comm, algorithm: str, wire: torch.dtype | None = None) -> None:
        self.comm, self.name, self.wire = comm, algorithm, wire

    def prepare(self, values: Tensor, place: int) -> Sum:
        """Return the sum of a flat tensor on any device."""
        return HostSum(self, values, place)


class HostSum:
    """A sum over MPI, in the values' own memory or in a staging buffer."""

    def __init__(self, transport: HostTransport, values: Tensor, place: int) -> None:
        self._values, self._place = values, place
        self._comm, self._algorithm = transport.comm, ALGORITHMS[transport.name]
        wire = transport.wire or values.dtype
        self._is_staged = wire != values.dtype or values.device.type != "cpu"
        self._staged = (
            torch.empty(values.shape, dtype=wire, pin_memory=values.device.type == "cuda")
            if self._is_staged
            else values
        )

    def start(self) -> None:
        """Start to sum what the tensor holds."""
        if self._is_staged:
            self._staged.copy_(self._values)
        self._exchange = Exchange(self._algorithm(self._comm, self._staged, self._place))

    def progress(self) -> None:
        """Go on as far as messages have arrived."""
        self._exchange.progress()

    def finish(self) -> None:
        """Wait until the tensor holds the sum."""
        self._exchange.finish()
        if self._is_staged:
            self._values.copy_(self._staged)


class DeviceTransport:
    """Sums by a process group of torch.distributed, on the values' device."""

    def __init__(self, group: Any, name: str, wire: torch.dtype | None = None) -> None:
        self.group, self.name, self.wire = group, name, wire

    def prepare(self, values: Tensor, place: int) -> Sum:
        """Return the sum of a flat tensor on the group's kind of device."""
        return DeviceSum(self, values)


class DeviceSum:
    """A sum by torch.distributed; goes on by itself."""

    def __init__(self, transport: DeviceTransport, values: Tensor) -> None:
        self._group, self._values = transport.group, values
        wire = transport.wire or values.dtype
        self._staged = values if wire == values.dtype else torch.empty_like(values, dtype=wire)

    def start(self) -> None:
        """Start to sum what the tensor holds."""
        if self._staged is not self._values:
            self._staged.copy_(self._values)
        self._work = self._group.allreduce([self._staged])

    def progress(self) -> None:
        """Do nothing: the group has threads or streams of its own."""

    def finish(self) -> None:
        """Wait until the tensor holds the sum."""
        self._work.wait()
        if self._staged is not self._values:
            self._values.copy_(self._staged)


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
        return Alone()
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
        from mct.parallel.process_group import join  # takes a second to import

        return DeviceTransport(join(comm, allreduce), allreduce, wire)
    return HostTransport(comm, allreduce, wire)


def unit_name(device: torch.device) -> str:
    """Return what tells a device from others of its host.

    Of ranks that Slurm gives a GPU each, every one may see its own as the first.
    """
    if device.type != "cuda":
        return str(device)
    return str(torch.cuda.get_device_properties(device).uuid)


def owns_gpu(comm: Comm, device: torch.device) -> bool:
    """Return whether every rank of `comm` computes on a GPU that no other of them uses. Collective."""
    places = comm.allgather((host_name(), unit_name(device)))
    return device.type == "cuda" and len(set(places)) == comm.size
