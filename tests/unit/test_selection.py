"""Eq. 1 and Eq. 2 against exact and brute-force values, masks against a plain sort."""

import math
from fractions import Fraction
from time import process_time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from mct.labels.ranking import expected_clean_count, rank_by_confidence, top_mask
from mct.labels.selection import (
    LEVEL,
    certain_clean_count,
    cut_batch,
    select_within,
    share_out,
)
from mct.results.figures import measure_selection

RATES = st.floats(0, 0.99)
# Few values, so that there are ties.
CONFIDENCES = st.lists(st.integers(0, 8), max_size=60).map(lambda c: np.array(c, np.float32) / 8)


@pytest.mark.parametrize(
    ("batch", "rate", "auxiliary", "primary"),
    [
        (128, 0.2, 90, 103),
        (128, 0.385, 65, 79),
        (128, 0.4, 63, 77),
        (128, 0.5, 50, 64),
        (128, 0.8, 15, 26),
        (256, 0.4, 134, 154),
        (1024, 0.4, 577, 615),
    ],
)
def test_published_sizes(batch, rate, auxiliary, primary):
    assert cut_batch(batch, rate) == (auxiliary, primary)


@pytest.mark.parametrize(
    ("batch", "rate", "expected"), [(10, 0.7, 3), (100, 0.42, 58), (10, 0, 10)]
)
def test_expected_count_is_guarded_against_floating_point(batch, rate, expected):
    assert expected_clean_count(batch, rate) == expected


@pytest.mark.parametrize(("batch", "rate"), [(8, 0.5), (1, 0.5), (2, 0.9), (0, 0.4)])
def test_no_sample_of_a_small_batch_is_certain(batch, rate):
    assert certain_clean_count(batch, rate) == 0


@given(st.integers(1, 400), RATES)
def test_certain_count_is_the_largest_with_a_probability_below_the_level(batch, rate):
    below = np.flatnonzero(binom.cdf(np.arange(batch + 1), batch, 1 - rate) < LEVEL)
    assert certain_clean_count(batch, rate) == max(below, default=0)


@given(st.integers(0, 3000), st.integers(1, 5000), st.data())
def test_expected_count_is_the_exact_product_rounded_up(batch, labels, data):
    wrong = data.draw(st.integers(0, labels))
    exact = Fraction(batch * (labels - wrong), labels)
    assert expected_clean_count(batch, wrong / labels) == math.ceil(exact)


def test_upper_bound_of_the_rate_moves_only_the_certain_count():
    bounded = cut_batch(128, 0.4, noise_bound=0.5)
    assert bounded == (cut_batch(128, 0.5).auxiliary, cut_batch(128, 0.4).primary)


@pytest.mark.parametrize(("batch", "certain"), [(128, 63), (2375, 1168), (64, 31), (1, 0), (0, 0)])
def test_a_batch_can_have_the_certain_share_of_another(batch, certain):
    assert cut_batch(128, 0.4).auxiliary == 63
    cut = cut_batch(batch, 0.4, certain_batch=128)
    assert cut == (certain, cut_batch(batch, 0.4).primary)
    zeros = np.zeros(batch, int)
    masks = select_within(np.arange(batch) / 4e3, zeros, [0.4], [0.4], certain_batch=128)
    assert tuple(masks.sum(axis=1)) == cut


@given(CONFIDENCES, st.integers(0, 70))
def test_mask_is_the_head_of_a_sort_with_ties_by_position(confidence, count):
    order = sorted(range(len(confidence)), key=lambda i: (-confidence[i], i))
    assert rank_by_confidence(confidence).tolist() == order
    assert np.flatnonzero(top_mask(confidence, count)).tolist() == sorted(order[:count])


@given(CONFIDENCES, RATES)
def test_one_group_ranks_the_global_batch_and_the_bound_cuts_for_ma(confidence, rate):
    bound = (1 + rate) / 2
    masks = select_within(confidence, np.zeros(len(confidence), int), [rate], [bound])
    cut = cut_batch(len(confidence), rate, bound)
    for mask, count in zip(masks, cut, strict=True):
        np.testing.assert_array_equal(mask, top_mask(confidence, count))


@given(CONFIDENCES, st.data())
def test_groups_share_the_numbers_of_the_batch_and_each_gives_its_most_confident(confidence, data):
    size = len(confidence)
    groups = np.array(data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)), int)
    rates = data.draw(st.lists(RATES, min_size=4, max_size=4))
    masks = select_within(confidence, groups, rates, rates)
    for group in range(4):
        own = groups == group
        for mask in masks:
            np.testing.assert_array_equal(mask[own], top_mask(confidence[own], mask[own].sum()))
    mean = round(float(np.mean([rates[group] for group in groups])), 12) if size else 0.0
    cut = cut_batch(size, mean)
    assert abs(int(masks[0].sum()) - cut.auxiliary) <= 1
    assert abs(int(masks[1].sum()) - cut.primary) <= 1


def test_small_groups_neither_select_all_nor_nothing():
    """Of 128 samples of 100 classes each one's own N would be all of it, and its own M none."""
    generator = np.random.default_rng(0)
    groups, rates = generator.integers(0, 100, 128), [0.4] * 100
    masks = select_within(generator.random(128), groups, rates, rates)
    assert tuple(masks.sum(axis=1)) == cut_batch(128, 0.4)


@given(st.integers(0, 50), st.lists(st.just(0.0) | st.floats(0.01, 20), min_size=1, max_size=6))
def test_parts_add_up_and_are_within_one_of_their_quota(total, weights):
    sizes = np.full(len(weights), total)
    parts, whole = share_out(total, np.array(weights), sizes), sum(weights)
    assert parts.sum() == (total if whole else 0)
    assert (np.abs(parts - np.array(weights) * total / (whole or 1)) < 1 + 1e-6).all()


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 1)), min_size=1, max_size=8), st.data())
def test_parts_fit_their_groups_and_add_up_as_long_as_there_is_room(groups, data):
    sizes = np.array([size for size, _ in groups])
    weights = sizes * np.array([share for _, share in groups])
    room = int(sizes[weights > 0].sum())
    total = data.draw(st.integers(0, room))
    parts = share_out(total, weights, sizes)
    assert parts.sum() == total
    assert ((parts >= 0) & (parts <= sizes)).all()
    assert not parts[weights == 0].any()


def test_what_a_full_group_cannot_give_comes_from_the_next():
    confidence, groups = np.array([0.4, 0.3, 0.2, 0.1]), np.array([0, 0, 0, 1])
    selected = select_within(confidence, groups, [0, 0.9], [0, 0.9])
    assert selected[1].sum() == cut_batch(4, 0.9 / 4).primary == 4


def test_of_a_thousand_classes_those_of_the_batch_alone_are_looked_at():
    generator = np.random.default_rng(0)
    groups, rates = generator.integers(0, 1000, 256), [0.4] * 1000
    began = process_time()
    for _ in range(20):
        select_within(generator.random(256), groups, rates, rates)
    assert (process_time() - began) / 20 < 5e-3


@given(CONFIDENCES, RATES, st.floats(0, 1))
def test_ma_learns_from_a_part_of_what_mp_learns_from(confidence, rate, share):
    bound = rate + share * (1 - rate)
    auxiliary, primary = select_within(confidence, np.zeros(len(confidence), int), [rate], [bound])
    assert not (auxiliary & ~primary).any()


def test_global_per_rank_and_per_class_cuts_differ():
    """One rank has all the confident samples; one class has clean labels only."""
    confidence = np.array([0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1])
    ranks, classes = np.repeat([0, 1], 4), np.array([0, 1] * 4)
    whole = select_within(confidence, np.zeros(8, int), [0.5], [0.5])[1]
    per_rank = select_within(confidence, ranks, [0.5] * 2, [0.5] * 2)[1]
    per_class = select_within(confidence, classes, [0, 0.75], [0, 0.75])[1]
    assert np.flatnonzero(whole).tolist() == [0, 1, 2, 3]
    assert np.flatnonzero(per_rank).tolist() == [0, 1, 4, 5]
    assert np.flatnonzero(per_class).tolist() == [0, 1, 2, 4, 6]


def test_a_group_has_its_own_share_for_sure():
    """Group 1 has no confident sample: alone it has two, by the whole batch's ranking none."""
    confidence = np.array([0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1])
    groups, rates = np.repeat([0, 1], 4), [0.5] * 2
    chosen = {
        share: np.flatnonzero(select_within(confidence, groups, rates, rates, own_share=share)[1])
        for share in (1, 0.5, 0)
    }
    assert chosen[1].tolist() == [0, 1, 4, 5]
    assert chosen[0.5].tolist() == [0, 1, 2, 4]
    assert chosen[0].tolist() == [0, 1, 2, 3]


def test_empty_batch_selects_nothing():
    assert select_within(np.zeros(0), np.zeros(0, int), [0.4], [0.4]).shape == (2, 0)


def test_purity_and_recall_by_hand():
    """Two epochs of four measurable samples; the last of class 1 is in the clean set."""
    observed, true = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 1])
    measurable = np.array([True, True, True, True, False])
    selected = np.zeros((2, 5, 2), bool)
    selected[0, [0, 2, 4], 0] = True
    selected[1, :, 1] = True
    purity, recall, _ = measure_selection(selected, observed, true, measurable, classes=2)
    np.testing.assert_array_equal(purity[0], [[1 / 2, np.nan], [np.nan, np.nan]])
    np.testing.assert_array_equal(purity[1], [[np.nan, np.nan], [2 / 3, 1]])
    np.testing.assert_array_equal(recall[0], [[1 / 2, 0], [0, 0]])
    np.testing.assert_array_equal(recall[1], [[0, 0], [1, 1]])
