"""Topology and collectives: expected values are functions of the number of ranks."""

import numpy as np
import pytest
import torch
from torch import nn

from mct.base.errors import UserError
from mct.base.partition import block
from mct.learning.norms import average_running_statistics
from mct.parallel import comm


def test_world_of_another_size_is_refused(world):
    comm.check_world_size(world, world.size)
    with pytest.raises(UserError, match=f"expected {world.size + 1} MPI ranks, got {world.size}"):
        comm.check_world_size(world, world.size + 1)


def test_odd_world_is_refused(world):
    if world.size % 2 == 0:
        pytest.skip("this world is even")
    with pytest.raises(UserError, match="even number of ranks"):
        comm.split_world(world)


def test_split_makes_two_groups_and_pairs_of_neighbours(topology):
    world = topology.world_comm
    assert topology.group_comm.size == topology.pairs == world.size // 2
    assert topology.pair_comm.size == 2
    assert topology.pair_comm.rank == topology.role.place
    # One node here: ranks 2i and 2i + 1 form pair i.
    assert (topology.role.place, topology.group_comm.rank) == (world.rank % 2, world.rank // 2)


@pytest.mark.parametrize("batch", [0, 1, 2, 5, 64])
def test_confidences_arrive_in_the_order_of_the_global_batch(topology, batch):
    start, stop = block(batch, topology.pairs, topology.group_comm.rank)
    own = (1000 * topology.role.place + np.arange(start, stop)).astype(np.float32)
    request, both = comm.start_gather(topology, own, batch)
    comm.wait_for([request])
    np.testing.assert_array_equal(both, [np.arange(batch), 1000 + np.arange(batch)])


@pytest.mark.parametrize("batch", [0, 1, 5, 64])
def test_blocks_arrive_in_the_order_of_the_global_batch(world, batch):
    own = np.arange(*block(batch, world.size, world.rank), dtype=np.float64)
    np.testing.assert_array_equal(comm.gather_blocks(world, own, batch), np.arange(batch))


def test_pair_shares_the_logits_of_ma(topology):
    logits = np.full((3, 4), 10 * topology.group_comm.rank + topology.role.place, np.float32)
    np.testing.assert_array_equal(
        comm.share_logits(topology, logits), np.full((3, 4), 10 * topology.group_comm.rank)
    )


def test_a_pair_that_both_teach_hears_both(topology):
    own = np.full((3, 4), 10 * topology.group_comm.rank + topology.role.place, np.float32)
    both = comm.share_predictions(topology, own)
    ten = 10 * topology.group_comm.rank
    np.testing.assert_array_equal(both[:, 0, 0], [ten, ten + 1])


def test_running_statistics_become_their_mean(world):
    norm = nn.BatchNorm2d(3)
    norm.running_mean.fill_(world.rank)
    average_running_statistics(world, norm, has_seen=True)
    torch.testing.assert_close(norm.running_mean, torch.full((3,), (world.size - 1) / 2))
    assert norm.num_batches_tracked == 0


@pytest.mark.parametrize("seeing", [0, 1])
def test_ranks_that_saw_nothing_have_no_part_in_running_statistics(world, seeing):
    norm = nn.BatchNorm2d(3)
    norm.running_mean.fill_(5 + world.rank)
    average_running_statistics(world, norm, has_seen=world.rank < seeing)
    expected = torch.full((3,), 5.0 if seeing else 5.0 + world.rank)
    assert torch.equal(norm.running_mean, expected)


def test_sum_array_is_the_sum_over_ranks(world):
    total = comm.sum_array(world, np.arange(3) * float(world.rank))
    np.testing.assert_array_equal(total, np.arange(3) * sum(range(world.size)))
