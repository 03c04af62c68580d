"""Factors of the learning rate at the places where they are known, worked by hand."""

from fractions import Fraction
from math import cos, pi, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mct.base.errors import UserError
from mct.learning.schedules import (
    SHAPES,
    Part,
    cosine,
    lay_out,
    linear,
    make_course,
    phase_shares,
    rate_scale,
    step,
)
from mct.learning.settings import OptimizerSettings, Phase

PROGRESS = st.floats(0, 1)
DECAYS = st.sampled_from(sorted(SHAPES))


def factors(phases: list[dict] | str, samples: int, at: list[int]) -> list[float]:
    """Return the factors of a schedule on so many samples, before each of which some are seen."""
    schedule = phases if isinstance(phases, str) else tuple(Phase(**phase) for phase in phases)
    course = make_course(Part(schedule, samples))
    return [course(seen / samples) for seen in at]


@pytest.mark.parametrize(
    ("name", "quarter", "middle", "end"),
    [
        ("constant", 1, 1, 1),
        ("linear", 0.75, 0.5, 0),
        ("polynomial", 0.5625, 0.25, 0),
        ("cosine", (2 + sqrt(2)) / 4, 0.5, 0),
        ("step", 1, 0.1, 0.01),
    ],
)
def test_shapes_begin_at_one(name, quarter, middle, end):
    values = [SHAPES[name](progress) for progress in (0, 0.25, 0.5, 1)]
    assert values == pytest.approx([1, quarter, middle, end])
    assert factors(name, 100, [0, 25, 50]) == values[:3]


def test_step_falls_at_one_half_and_three_quarters():
    assert [step(p) for p in (0.499, 0.5, 0.749, 0.75)] == pytest.approx([1, 0.1, 0.1, 0.01])


@given(DECAYS, PROGRESS, PROGRESS)
def test_no_shape_rises(name, one, other):
    assert SHAPES[name](min(one, other)) >= SHAPES[name](max(one, other)) - 1e-12


@given(PROGRESS)
def test_cosine_is_symmetrical_about_its_middle(progress):
    assert cosine(progress) + cosine(1 - progress) == pytest.approx(1)


@given(DECAYS, st.integers(1, 900), st.floats(0.01, 10), st.data())
def test_a_baseline_has_the_bits_of_a_constant_part_and_a_decay(name, constant, rate, data):
    """What was computed before there were phases: settings of that time make the same models."""
    total, seen = 1000, data.draw(st.integers(0, 999))
    share = constant / total
    expected = 1.0
    if seen / total >= share:
        expected = rate * SHAPES[name]((seen / total - share) / (1.0 - share))
    course = make_course(Part("constant", constant), Part(name, total - constant, rate))
    assert course(seen / total) == expected


def test_baseline_is_constant_before_its_decay():
    course = make_course(Part("constant", 50), Part("linear", 50, 0.2))
    assert [course(p / 100) for p in (0, 49, 50, 75)] == pytest.approx([1, 1, 0.2, 0.1])
    assert make_course(Part("constant", 50), Part("linear", 0, 0.2))(1) == 1


def test_warm_up_rises_on_a_line_and_the_shape_has_the_rest():
    # 100 samples: 20 from 0.1 to 1, then 80 to zero (Goyal et al., 2017; Codreanu et al., 2017).
    phases = [{"warmup": 0.2}]
    assert factors(phases, 100, [0, 10, 20, 60, 90]) == pytest.approx([0.1, 0.55, 1, 0.5, 0.125])
    started = [{"warmup": 0.5, "warmup_from": 0, "shape": "constant", "rate": 4}]
    assert factors(started, 100, [0, 25, 50, 99]) == pytest.approx([0, 2, 4, 4])


def test_a_polynomial_is_cut_before_zero():
    # (1 - 0.6 p)^2, which ends at 0.4^2.
    phases = [{"shape": "polynomial", "cut_at": 0.6}]
    assert factors(phases, 1000, [0, 500]) == pytest.approx([1, 0.49])
    assert factors(phases, 1000, [999])[0] == pytest.approx((1 - 0.6 * 0.999) ** 2)
    cubic = [{"shape": "polynomial", "power": 3}]
    assert factors(cubic, 100, [50]) == pytest.approx([0.125])


def test_warm_restarts_double_their_length():
    """SGDR (Loshchilov, Hutter, 2017): cosine cycles of 10, 20 and 40 of 70 samples."""
    phases = [{"shape": "cosine", "cycles": 3, "cycle_length_factor": 2}]
    low = (1 + cos(0.9 * pi)) / 2
    assert factors(phases, 70, [0, 5, 9, 10, 20, 30, 50, 69]) == pytest.approx(
        [1, 0.5, low, 1, 0.5, 1, 0.5, (1 + cos(pi * 39 / 40)) / 2]
    )


def test_each_cycle_may_have_a_lower_rate_and_warms_up_again():
    phases = [{"cycles": 3, "cycle_rate_factor": 0.5, "warmup": 0.5, "rate": 2}]
    assert factors(phases, 60, [0, 10, 15, 20, 30, 40, 50]) == pytest.approx(
        [0.2, 2, 1, 0.1, 1, 0.05, 0.5]
    )


def test_the_cyclic_run_of_codreanu():
    """B = 4096, 72 epochs: 25 linear of 72, cycles of 12, 15, 15, the last 5 collapsed."""
    base = 1.6
    cycles = [(12, 1.02), (15, 0.764), (15, 0.572)]
    phases = [
        {"share": "25/72", "cut_at": 25 / 72},
        *(
            {
                "share": f"{epochs}/72", "shape": "polynomial", "rate": rate / base,
                "cut_at": 0.5, "warmup": 3 / epochs,
            }
            for epochs, rate in cycles
        ),
        {"share": "5/72", "shape": "polynomial", "rate": 0.143 / base, "weight_decay": 4},
    ]  # fmt: skip
    starts = [0, 25, 37, 52, 67]
    warmed = [start + 3 for start in starts[1:4]]
    rates = [base * factor for factor in factors(phases, 72, [0, 24, *warmed, 67, 71])]
    last = 0.143 * (1 / 5) ** 2
    expected = [1.6, 1.6 * 48 / 72, 1.02, 0.764, 0.572, 0.143, last]
    assert rates == pytest.approx(expected)
    assert base * factors(phases, 72, [25])[0] == pytest.approx(0.102), "warm-up begins anew"


def test_phases_without_a_share_have_the_rest():
    given = [Phase(share=0.5), Phase(), Phase(share="1/4"), Phase()]
    assert phase_shares(given) == [Fraction(1, 2), Fraction(1, 8), Fraction(1, 4), Fraction(1, 8)]
    rounded = phase_shares([Phase(share=0.333), Phase(share=0.333), Phase(share=0.334)])
    assert sum(rounded) == 1
    assert phase_shares([Phase(share=0.3333)] * 3) == [Fraction(1, 3)] * 3


@pytest.mark.parametrize(
    ("shares", "line"),
    [
        ([0.5, 0.4], "1 in total, got 0.9"),
        ([0.5, "3/5"], "1 in total, got 1.1"),
        ([0.5, 0.5, None], "some to 1 phase without a share, got 1"),
        ([0.7, 0.6, None, None], "some to 2 phases without a share, got 1.3"),
    ],
)
def test_shares_that_are_not_one_are_refused(shares, line):
    with pytest.raises(UserError, match=line):
        phase_shares([Phase(share=share) for share in shares])


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(1, 400))
def test_cycles_follow_each_other_without_a_gap(cycles, samples):
    phases = tuple(Phase(cycles=count, cycle_length_factor=1.5) for count in cycles)
    assert sum(share for share, _ in lay_out(phases)) == 1
    found = make_course(Part(phases, samples)).cycles
    assert (found[0].start, found[-1].stop) == (0, 1)
    assert [cycle.start for cycle in found[1:]] == [cycle.stop for cycle in found[:-1]]


def test_the_second_part_of_a_training_has_phases_of_its_own():
    warm = (Phase(warmup=0.5, warmup_from=0),)
    collapse = (Phase(share=0.5), Phase(weight_decay=2, augmentation="none", rate=0.1))
    course = make_course(Part(warm, 40), Part(collapse, 60, 0.5))
    assert [course(p / 100) for p in (0, 10, 20, 30, 40, 55, 70, 85)] == pytest.approx(
        [0, 0.5, 1, 0.5, 0.5, 0.25, 0.05, 0.025]
    )
    assert [course.at(p / 100).weight_decay for p in (0, 69, 70, 99)] == [1, 1, 2, 2]
    assert [course.at(p / 100).augmentation for p in (0, 69, 70, 99)] == ["", "", "none", "none"]


@pytest.mark.parametrize(
    ("kind", "batch", "expected"),
    [("none", 8192, 1), ("linear", 8192, 32), ("linear", 64, 0.25), ("sqrt", 1024, 2)],
)
def test_rates_scale_with_the_batch(kind, batch, expected):
    assert rate_scale(OptimizerSettings(rate_scaling=kind, batch_size=batch)) == expected


@given(st.integers(1, 500), st.integers(0, 499))
def test_linear_is_the_share_of_samples_that_is_left(samples, seen):
    assert linear(seen / samples) == 1 - seen / samples
