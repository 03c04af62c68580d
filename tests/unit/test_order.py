"""The order of an epoch is a bijection that looks random; numbers depend on key and sample alone."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest

from mct.data.order import (
    AUGMENTATION_STREAM,
    BLOCK,
    ORDER_STREAM,
    OTHER_AUGMENTATION_STREAM,
    STRONG_STREAM,
    WINDOW_STREAM,
    ShuffledOrder,
    draw_numbers,
    epoch_order,
    keys_of,
)

SEEDS, EPOCHS = 200, 10
PROBABLE = 1e-4
"""The least p-value that chance is given; seeds are fixed, so it is no matter of luck."""


def order_of(seed: int, epoch: int, samples: int) -> np.ndarray:
    """Return the whole order of an epoch."""
    return ShuffledOrder(seed, epoch, samples).take(0, samples)


@cache
def orders_of(samples: int) -> np.ndarray:
    """Return the orders of many seeds and epochs, shape (SEEDS, EPOCHS, samples)."""
    return np.array(
        [[order_of(seed, epoch, samples) for epoch in range(EPOCHS)] for seed in range(SEEDS)]
    )


@given(st.integers(0, 2**32), st.integers(0, 5), st.integers(1, 300))
def test_an_epoch_has_every_position_once_in_an_order_of_its_own(seed, epoch, samples):
    order = order_of(seed, epoch, samples)
    assert sorted(order) == list(range(samples))
    np.testing.assert_array_equal(order, order_of(seed, epoch, samples))


@pytest.mark.parametrize("samples", [BLOCK - 1, BLOCK, 2 * BLOCK + 1, 2**16, 2**17 + 1])
def test_large_sets_have_every_position_once(samples):
    assert (np.bincount(order_of(1, 2, samples), minlength=samples) == 1).all()


def test_orders_differ_between_seeds_and_epochs():
    orders = {order_of(seed, epoch, 100).tobytes() for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


@given(st.integers(1, 3 * BLOCK), st.data())
def test_any_part_of_an_order_is_that_part_of_it(samples, data):
    """In whatever order parts are asked for, as by a training that resumes."""
    whole, order = order_of(5, 1, samples), ShuffledOrder(5, 1, samples)
    for _ in range(4):
        start = data.draw(st.integers(0, samples))
        stop = data.draw(st.integers(start, samples))
        np.testing.assert_array_equal(order.take(start, stop), whole[start:stop])


def test_a_part_of_an_endless_set_takes_no_memory():
    order = ShuffledOrder(0, 0, 10**15)
    part = order.take(10**14, 10**14 + 5)
    assert len(set(part.tolist())) == 5
    assert ((part >= 0) & (part < 10**15)).all()


@pytest.mark.parametrize("samples", [2, 5, 7, 8, 12, 33])
def test_every_position_is_equally_probable_at_every_place(samples):
    orders = orders_of(samples).reshape(-1, samples)
    counts = [np.bincount(orders[:, place], minlength=samples) for place in range(samples)]
    assert min(chisquare(count).pvalue for count in counts) > PROBABLE


@pytest.mark.parametrize("samples", [3, 5, 7, 8, 12])
def test_every_pair_of_positions_is_equally_probable_next_to_each_other(samples):
    orders = orders_of(samples).reshape(-1, samples)
    pairs = orders[:, :-1] * samples + orders[:, 1:]
    counts = np.bincount(pairs[:, 0], minlength=samples**2).reshape(samples, samples)
    assert not counts.diagonal().any()
    assert chisquare(counts[~np.eye(samples, dtype=bool)]).pvalue > PROBABLE


@pytest.mark.parametrize("samples", [8, 33, 100])
def test_epochs_follow_no_pattern(samples):
    """One position stays at its place on average, and places of an epoch say nothing of the next."""
    orders = orders_of(samples)
    stays = (orders[:, 1:] == orders[:, :-1]).sum(axis=2)
    assert abs(stays.mean() - 1) < 4 / stays.size**0.5
    steps = (orders[:, 1:] - orders[:, :-1]) % samples
    assert chisquare(np.bincount(steps.ravel(), minlength=samples)).pvalue > PROBABLE
    one, other = orders[:, :-1].ravel(), orders[:, 1:].ravel()
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / one.size**0.5


def test_a_large_order_is_not_correlated_with_the_list():
    order = order_of(3, 0, 100_003)
    assert abs(np.corrcoef(order, np.arange(len(order)))[0, 1]) < 4 / len(order) ** 0.5
    assert abs(np.corrcoef(order[1:], order[:-1])[0, 1]) < 4 / len(order) ** 0.5
    first = np.bincount(order[:10_000] // 1001, minlength=100)[:99]  # of blocks of the list
    assert chisquare(first).pvalue > PROBABLE


shards_of_positions = st.lists(st.integers(0, 6), min_size=1, max_size=80).map(np.array)


@given(st.integers(0, 3), st.integers(0, 3), shards_of_positions, st.integers(1, 8))
def test_a_windowed_order_has_every_position_once_and_few_shards_at_a_time(
    seed, epoch, shard, window
):
    order = epoch_order(seed, epoch, shard, window).take(0, len(shard))
    assert sorted(order) == list(range(len(shard)))
    again = epoch_order(seed, epoch, shard, window)
    parts = [again.take(place, place + 1) for place in range(len(shard))]
    np.testing.assert_array_equal(order, np.concatenate(parts))
    numbers = set(shard.tolist())
    first = {number: np.flatnonzero(shard[order] == number)[0] for number in numbers}
    last = {number: np.flatnonzero(shard[order] == number)[-1] for number in numbers}
    for place in range(len(shard)):
        assert sum(first[n] <= place <= last[n] for n in numbers) <= window


@given(shards_of_positions, st.integers(1, 4), st.data())
def test_any_part_of_a_windowed_order_is_that_part_of_it(shard, window, data):
    whole = epoch_order(2, 1, shard, window).take(0, len(shard))
    order = epoch_order(2, 1, shard, window)
    for _ in range(4):
        start = data.draw(st.integers(0, len(shard)))
        stop = data.draw(st.integers(start, len(shard)))
        np.testing.assert_array_equal(order.take(start, stop), whole[start:stop])


def test_a_window_over_all_shards_is_the_full_shuffle():
    shard = np.arange(50) % 5
    order = epoch_order(2, 3, shard, 5).take(0, 50)
    np.testing.assert_array_equal(order, epoch_order(2, 3, shard, 0).take(0, 50))


def test_windows_differ_between_seeds_and_epochs_and_are_shuffled():
    shard = np.repeat(np.arange(10), 20)
    orders = [
        epoch_order(seed, epoch, shard, 2).take(0, 200) for seed in range(3) for epoch in range(3)
    ]
    assert len({order.tobytes() for order in orders}) == 9
    assert len({frozenset(shard[order[:40]]) for order in orders}) > 1
    assert (np.diff(orders[0][:40]) < 0).any()
    ranks = [np.argsort(np.argsort(order.reshape(5, 40), axis=1), axis=1) for order in orders]
    assert len({rank.tobytes() for rank in np.concatenate(ranks)}) == 45, "each window its own"


samples_of_a_batch = st.lists(st.integers(0, 2**40), max_size=20)


@given(st.integers(0, 9), samples_of_a_batch, st.integers(1, 9))
def test_numbers_of_a_sample_do_not_depend_on_the_others(seed, samples, draws):
    key, numbers = keys_of(seed, 0, AUGMENTATION_STREAM, 1)[0], np.array(samples, np.int64)
    found = draw_numbers(key, numbers, draws)
    assert found.shape == (len(samples), draws)
    assert found.dtype == np.float32
    assert ((found >= 0) & (found < 1)).all()
    for row, sample in zip(found, samples, strict=True):
        np.testing.assert_array_equal(row, draw_numbers(key, np.array([sample]), draws)[0])


def test_keys_differ_between_seeds_epochs_and_streams():
    streams = (
        ORDER_STREAM, AUGMENTATION_STREAM, WINDOW_STREAM, OTHER_AUGMENTATION_STREAM,
        STRONG_STREAM + AUGMENTATION_STREAM, STRONG_STREAM + OTHER_AUGMENTATION_STREAM,
    )  # fmt: skip
    keys = [
        int(keys_of(seed, epoch, stream, 1)[0])
        for seed in range(3)
        for epoch in range(3)
        for stream in streams
    ]
    assert len(set(keys)) == 54


def test_numbers_are_uniform_and_independent():
    samples = np.arange(20_000)
    drawn = [draw_numbers(keys_of(7, epoch, 1, 1)[0], samples, 5) for epoch in range(2)]
    for column in drawn[0].T:
        assert kstest(column, "uniform").pvalue > PROBABLE
    columns = np.concatenate([*(table.T for table in drawn), drawn[0].T[:, ::-1]])
    neighbours = np.concatenate([columns, np.roll(drawn[0].T, 1, axis=1)])
    correlation = np.corrcoef(neighbours) - np.eye(len(neighbours))
    assert abs(correlation).max() < 5 / len(samples) ** 0.5
