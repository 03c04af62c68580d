"""Sums over ranks: every transport gives the sum, the same bits on all ranks."""

import pytest
import torch
from mpi4py import MPI

from mct.base.errors import UserError
from mct.parallel.exchange import ALGORITHMS
from mct.parallel.transport import Transport, choose_transport, host_transport

CPU = torch.device("cpu")
LENGTHS = [0, 1, 5, 64, 1001]


def own_values(rank: int, length: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(rank)
    return torch.randn(length, generator=generator)


def sum_at_once(transport: Transport, rank: int) -> list[torch.Tensor]:
    """Return sums of several lengths that were all on their way together."""
    tensors = [own_values(rank, length) for length in LENGTHS]
    sums = [transport.prepare(tensor, place) for place, tensor in enumerate(tensors)]
    for running in sums:
        running.start()
        sums[0].progress()
    for running in sums:
        running.finish()
    return tensors


def check(world: MPI.Intracomm, transport: Transport, tolerance: float) -> None:
    for length, total in zip(LENGTHS, sum_at_once(transport, world.rank), strict=True):
        parts = [own_values(rank, length).double() for rank in range(world.size)]
        size = sum(part.abs() for part in parts)
        error = (total - sum(parts)).abs()
        assert (error <= tolerance * size).all()
        for other in world.allgather(total):
            assert torch.equal(other, total)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_sum_of_all_ranks(world, algorithm):
    check(world, host_transport(world, algorithm), 1e-6)


@pytest.mark.parametrize("algorithm", [name for name in ALGORITHMS if name != "mpi"])
def test_half_width_rounds_each_message(world, algorithm):
    # Each rounding is off by at most 2^-8; a ring rounds its partial sums as well.
    roundings = world.size + 1 if algorithm != "reduce_scatter_allgather" else 2
    check(world, host_transport(world, algorithm, torch.bfloat16), 2**-8 * roundings)


def test_direct_exchange_rounds_twice_at_any_number_of_ranks(world):
    """The sum of equal numbers that bfloat16 holds is exact, where a ring would round."""
    transport = host_transport(world, "reduce_scatter_allgather", torch.bfloat16)
    values = torch.full((100,), 1.0078125)
    running = transport.prepare(values, 0)
    running.start()
    running.finish()
    exact = torch.tensor(1.0078125 * world.size)
    assert torch.equal(values, exact.bfloat16().float().expand(100))


@pytest.mark.parametrize("wire", [None, torch.bfloat16])
def test_torch_distributed_sums_as_well(world, wire):
    if world.size == 1:
        pytest.skip("one rank sums nothing")
    transport = choose_transport(world, "gloo", CPU, wire)
    assert transport.name == "gloo"
    tolerance = 1e-6 if wire is None else 2**-8 * (world.size + 1)
    check(world, transport, tolerance)
    world.Barrier()


def test_choice_of_the_transport(world):
    names = [
        choose_transport(world, "auto", CPU).name,
        choose_transport(world, "auto", CPU, torch.bfloat16).name,
        choose_transport(world, "ring", CPU).name,
    ]
    if world.size == 1:
        assert names == ["none"] * 3
        return
    assert names == ["mpi", "reduce_scatter_allgather", "ring"]
    with pytest.raises(UserError, match="nccl needs a GPU for each rank"):
        choose_transport(world, "nccl", CPU)
    with pytest.raises(UserError, match="MPI cannot add bfloat16"):
        choose_transport(world, "mpi", CPU, torch.bfloat16)
