"""Factors of the learning rate at the places where they are known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mct.learning.plan import SCHEDULES, constant_then, cosine, linear, step

PROGRESS = st.floats(0, 1)
DECAYS = st.sampled_from(sorted(SCHEDULES))


@pytest.mark.parametrize(
    ("name", "start", "middle", "end"),
    [("constant", 1, 1, 1), ("linear", 1, 0.5, 0), ("cosine", 1, 0.5, 0), ("step", 1, 0.1, 0.01)],
)
def test_start_middle_and_end(name, start, middle, end):
    values = [SCHEDULES[name](progress) for progress in (0, 0.5, 1)]
    assert values == pytest.approx([start, middle, end])


def test_step_falls_at_one_half_and_three_quarters():
    assert [step(p) for p in (0.499, 0.5, 0.749, 0.75)] == pytest.approx([1, 0.1, 0.1, 0.01])


@given(DECAYS, PROGRESS, PROGRESS)
def test_no_schedule_rises(name, one, other):
    assert SCHEDULES[name](min(one, other)) >= SCHEDULES[name](max(one, other)) - 1e-12


@given(PROGRESS)
def test_cosine_is_symmetrical_about_its_middle(progress):
    assert cosine(progress) + cosine(1 - progress) == pytest.approx(1)


@given(st.sampled_from([linear, cosine]), st.floats(0, 0.9), st.floats(0.01, 10), PROGRESS)
def test_decay_after_a_constant_part_is_stretched_over_the_rest(decay, share, rate, progress):
    factor = constant_then(decay, share, rate)
    later = share + (1 - share) * progress
    assert factor(later) == pytest.approx(rate * decay(progress), abs=1e-9)


def test_baseline_is_constant_before_its_decay():
    factor = constant_then(linear, 0.5, decay_rate=0.2)
    assert [factor(p) for p in (0, 0.49, 0.5, 0.75, 1)] == pytest.approx([1, 1, 0.2, 0.1, 0])


@pytest.mark.parametrize("progress", [0, 0.5, 1])
def test_a_constant_share_of_one_never_decays(progress):
    assert constant_then(linear, 1.0, 0.5)(progress) == 1
