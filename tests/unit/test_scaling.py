"""The model of messages against sums by hand, its fit, and the paper's figures of efficiency."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st
from projects import PROJECT

from mct.performance.comparison import efficiencies
from mct.performance.scaling import (
    Link,
    Task,
    allgather_terms,
    allreduce_terms,
    fit_link,
    project_step,
    seconds_of,
)


def test_messages_by_hand():
    assert allreduce_terms(4, 100.0) == (6, 150.0)
    assert allreduce_terms(1, 100.0) == (0, 0)
    assert allgather_terms(8, 512) == (7, 3584)
    assert seconds_of((6, 150.0), Link(latency=1e-3, seconds_per_byte=1e-2)) == pytest.approx(1.506)


@given(st.floats(1e-7, 1e-3), st.floats(1e-11, 1e-7))
def test_fit_finds_the_link_that_made_the_times(latency, seconds_per_byte):
    link = Link(latency=latency, seconds_per_byte=seconds_per_byte)
    terms = [allreduce_terms(ranks, n) for ranks in (2, 4, 8) for n in (1e3, 1e6, 1e8)]
    terms += [allgather_terms(ranks, 512) for ranks in (2, 4, 8)]
    found = fit_link([(part, seconds_of(part, link)) for part in terms])
    for part in terms:
        assert seconds_of(part, found) == pytest.approx(seconds_of(part, link), rel=1e-3)


def test_steps_of_a_training():
    """A million pictures, 128 a rank, both ranks of a pair on the same ones."""
    task = Task(pictures=1_000_000, epochs=90, samples_per_rank=128)
    assert task.hours(128, 3.6) == pytest.approx(90 * 7813 / 1000)
    assert task.hours(256 * 128, 3.6) == pytest.approx(90 * 31 / 1000)


def test_a_projected_step_is_compute_and_messages():
    link = Link(latency=1e-3, seconds_per_byte=1e-9)
    assert project_step(2.0, 2, 10**6, 100, link) == pytest.approx(2.0 + 1e-3 + 400e-9)
    expected = 2.0 + 2 * 1e-3 + 4e6 * 1e-9 + 3 * (1e-3 + 400e-9)
    assert project_step(2.0, 4, 10**6, 100, link) == pytest.approx(expected)


def test_efficiency_of_the_published_rows():
    """The paper: 63.5 % from 32 to 512 core groups."""
    with (PROJECT / "workflow/resources/published_scaling.tsv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if "Sunway" in row["system"]]
    times = [(int(row["ranks"]), float(row["hours"])) for row in rows]
    found = dict(zip([ranks for ranks, _ in times], efficiencies(times), strict=True))
    assert found[32] == 1
    assert found[512] == pytest.approx(0.635, abs=5e-4)


def test_two_times_of_the_same_ranks_have_their_own_efficiency():
    assert efficiencies([(2, 8.0), (4, 8.0), (4, 5.0), (2, 16.0)]) == [1, 0.5, 0.8, 0.5]
