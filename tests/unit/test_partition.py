"""Blocks, batches, ranks and pairs: every item once, and the best division of all."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mct.base.errors import UserError
from mct.base.partition import (
    block,
    block_lengths,
    count_steps,
    divide_ranks,
    form_pairs,
    plan_batches,
)

COUNTS, PARTS = st.integers(0, 10_000), st.integers(1, 600)
PLANS = st.tuples(st.integers(0, 300), st.integers(1, 60), st.integers(1, 80))


def test_block_lengths_by_hand():
    assert block_lengths(10, 4) == [3, 3, 2, 2]
    assert block_lengths(2, 3) == [1, 1, 0]
    assert [block(10, 4, i) for i in range(4)] == [(0, 3), (3, 6), (6, 8), (8, 10)]


@pytest.mark.parametrize(("parts", "index"), [(0, 0), (4, 4), (4, -1), (-2, 0)])
def test_a_block_of_no_part_is_refused(parts, index):
    with pytest.raises(UserError, match=f"expected a part from 0 to below {parts}, got {index}"):
        block(10, parts, index)


@given(COUNTS, PARTS)
def test_blocks_follow_each_other_from_first_item_to_last(count, parts):
    blocks = [block(count, parts, i) for i in range(parts)]
    assert (blocks[0][0], blocks[-1][1]) == (0, count)
    assert all(stop == start for (_, stop), (start, _) in pairwise(blocks))


@given(COUNTS, PARTS)
def test_block_lengths_differ_by_at_most_one_longer_first(count, parts):
    lengths = block_lengths(count, parts)
    assert sum(lengths) == count
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] - lengths[-1] <= 1


@given(PLANS)
def test_batches_see_every_position_in_turn_and_exactly_the_samples(plan):
    samples, set_size, _ = plan
    seen = [
        (batch.epoch, position)
        for batch in plan_batches(*plan)
        for position in range(batch.start, batch.stop)
    ]
    assert seen == [divmod(sample, set_size) for sample in range(samples)]


@given(PLANS)
def test_only_the_last_batch_of_an_epoch_or_of_all_is_smaller(plan):
    _, set_size, batch_size = plan
    batches = list(plan_batches(*plan))
    assert [batch.step for batch in batches] == list(range(len(batches)))
    for batch in batches:
        assert 0 < batch.size <= batch_size
        assert batch.size == batch_size or batch.stop == set_size or batch is batches[-1]


@given(PLANS)
def test_count_steps_is_the_number_of_batches(plan):
    assert count_steps(*plan) == len(list(plan_batches(*plan)))


def test_batches_by_hand():
    sizes = [
        (batch.epoch, batch.size) for batch in plan_batches(samples=12, set_size=7, batch_size=3)
    ]
    assert sizes == [(0, 3), (0, 3), (0, 1), (1, 3), (1, 2)]


@given(st.integers(2, 40), st.tuples(*[st.floats(0, 1e9) | st.integers(0, 50)] * 2))
def test_no_other_division_of_ranks_ends_sooner(ranks, works):
    first, second = divide_ranks(ranks, works)
    assert min(first, second) >= 1
    assert first + second == ranks

    def longer_job(r):
        return max(works[0] / r, works[1] / (ranks - r))

    best = min(longer_job(r) for r in range(1, ranks))
    assert first == next(r for r in range(1, ranks) if longer_job(r) == best)


def test_ranks_are_divided_by_the_ratio_of_work():
    assert divide_ranks(4, (1, 3)) == (1, 3)
    assert divide_ranks(512, (3, 1)) == (384, 128)
    assert divide_ranks(4, (0, 1)) == (1, 3)  # at least one each


@pytest.mark.parametrize("ranks", [1, 0, -2])
def test_fewer_than_two_ranks_cannot_be_divided(ranks):
    with pytest.raises(UserError, match=f"at least 2 .* got {ranks}"):
        divide_ranks(ranks, (1, 1))


@given(st.lists(st.integers(0, 5), max_size=40).filter(lambda nodes: len(nodes) % 2 == 0))
def test_every_rank_has_one_partner_and_few_are_on_another_node(nodes):
    pairs = form_pairs(nodes)
    assert sorted(rank for pair in pairs for rank in pair) == list(range(len(nodes)))
    assert pairs == sorted(pairs)
    assert all(auxiliary < primary for auxiliary, primary in pairs)
    apart = sum(nodes[auxiliary] != nodes[primary] for auxiliary, primary in pairs)
    assert apart == sum(count % 2 for count in Counter(nodes).values()) / 2


@pytest.mark.parametrize(
    ("nodes", "pairs"),
    [
        ([], []),
        ([0, 0, 1, 1], [(0, 1), (2, 3)]),
        ([0, 1, 0, 1], [(0, 2), (1, 3)]),
        ([0, 0, 0, 1, 1, 1], [(0, 1), (2, 5), (3, 4)]),
        (["b", "a"], [(0, 1)]),
    ],
)
def test_pairs_by_hand(nodes, pairs):
    assert form_pairs(nodes) == pairs


def test_odd_number_of_ranks_makes_no_pairs():
    with pytest.raises(UserError, match="even number of ranks to form pairs, got 3"):
        form_pairs([0, 0, 0])
