"""What a plan comes to: rows of alike jobs, pieces by the time limit, the longest path, the total."""

from typing import Any

import pytest

from mct.cluster import disk
from mct.cluster.carrying import advise
from mct.cluster.demands import model_cost
from mct.cluster.overview import PlannedJob, ends_of, local_total, table, total
from mct.cluster.planning import Planner
from mct.cluster.site import read_site
from mct.experiment.experiment import Experiment


def job(rule: str = "calibrate_pair", megabytes: float = 0, **resources: Any) -> PlannedJob:
    """Return a job of an hour in a queue of two, on 8 ranks of two cores each unless told otherwise."""
    given = {
        "tasks": 4, "cpus_per_task": 4, "ranks": 8, "rank_cpus": 2, "nodes": 4, "runtime": 120,
        "work_seconds": 3540, "gpu": 0, **resources,
    }  # fmt: skip
    return PlannedJob.of(rule, given, megabytes)


@pytest.mark.parametrize(
    ("work_seconds", "pieces"), [(10, 1), (7020, 1), (7021, 2), (14040, 2), (70200, 10)]
)
def test_the_time_limit_makes_pieces_of_a_long_job(work_seconds: int, pieces: int):
    """Of two hours a minute is the start, and two are the signal before the end with its checkpoint."""
    long = job(work_seconds=work_seconds)
    assert long.pieces == pieces
    assert long.hours == (work_seconds + 60 * pieces) / 3600


def test_jobs_that_are_alike_share_a_row_in_the_order_of_their_ends():
    serial = {"tasks": 1, "cpus_per_task": 4, "nodes": 1}
    shard = [job("write_shard", 500, **serial, ranks=0, rank_cpus=4) for _ in range(3)]
    jobs = [
        (job(megabytes=1500), 3.0), (job(megabytes=1500), 4.0), (job(ranks=16, nodes=8), 5.0),
        *((each, 1.0) for each in shard),
    ]  # fmt: skip
    header, *rows = [line.split() for line in table(jobs)]
    assert header == ["job", "jobs", "ranks", "nodes", "cores/rank", "pieces", "hours", "GB"]
    assert rows == [
        ["write_shard", "3", "-", "1", "4", "1", "1.00", "1.5"],
        ["calibrate_pair", "2", "8", "4", "2", "1", "1.00", "3.0"],
        ["calibrate_pair", "1", "16", "8", "2", "1", "1.00", "0.0"],
    ]
    assert len({len(line) for line in table(jobs)}) == 1


def test_the_total_has_core_hours_the_longest_path_and_the_disk():
    jobs = [(job(megabytes=1500), 3.0), (job(megabytes=500, gpu=8), 4.5)]
    assert total(jobs) == (
        "total: 2 jobs, 32.0 core hours, 8.0 GPU hours, 4.5 hours on the longest path, 2.0 GB of disk"
    )
    assert local_total([each for each, _ in jobs]) == (
        "total: 31.47 core hours of work, 2.00 GB of disk"
    )


def test_a_job_ends_its_own_hours_after_the_last_that_it_needs():
    needs = {"a": [], "b": ["a"], "c": ["a", "b"], "d": ["a", "done"], "e": ["d", "c"]}
    hours = {"e": 1.0, "a": 1.0, "b": 5.0, "c": 2.0, "d": 3.0}
    ends = ends_of(hours, lambda name: needs[name])
    assert ends == {"a": 1.0, "b": 6.0, "c": 8.0, "d": 4.0, "e": 9.0}


@pytest.mark.parametrize(
    ("asked", "carried", "advice"),
    [
        (64, range(2, 65, 2), ""),
        (64, range(2, 17), "the queues carry at most 16 ranks"),
        (1024, range(2, 515), "the queues carry at most 514 ranks"),
        (100, range(20, 41), "the queues carry at most 40 ranks"),
        (4, range(14, 513), "the queues carry 14 ranks and more (or lower optimizer.batch_size)"),
        (4, (), "no number of ranks is carried"),
    ],
)
def test_the_number_of_ranks_nearest_to_the_asked_one_is_named(
    asked: int, carried: range, advice: str
):
    assert advise(asked, lambda ranks: ranks in carried) == advice


def test_a_demand_has_its_work_however_short_its_queue_is():
    few, many = (
        Planner(Experiment({"calibration": {"epochs": n}}), read_site(None)).calibrate(
            "mct", "4", 1
        )
        for n in (1000, 2000)
    )
    assert many.work_seconds == pytest.approx(2 * few.work_seconds, rel=0.01)
    assert few.runtime == pytest.approx(2 * (60 + few.work_seconds) / 60, abs=1)


def test_disk_is_that_of_pictures_weights_and_what_is_recorded():
    experiment = Experiment({"calibration": {"epochs": 10}, "shards": {"count": 4}})
    cost = model_cost("small_cnn", 32)
    weights = 4 * 370184 / 1e6
    assert disk.megabytes("train_baseline", experiment, cost) == pytest.approx(5 * weights)
    record = 3 * 10 * 10 * 1117 / 1e6
    assert disk.megabytes("calibrate_pair", experiment, cost) == pytest.approx(
        10 * weights + record
    )
    assert disk.megabytes("tabulate_accuracy", experiment, cost) == 0
    shards = 4 * disk.megabytes("write_shard", experiment, cost)
    size = experiment.config["images"]["size"]
    assert shards == pytest.approx(3 * size**2 * sum(experiment.sizes.values()) / 1e6)


def test_photographs_take_what_jpegs_of_their_size_take():
    large = {"images": {"size": 224}, "model": {"name": "resnet18"}}
    cut, whole = (
        disk.picture_bytes(Experiment({**large, "shards": {"short_side": side}}))
        for side in (256, None)
    )
    assert 20_000 < cut < 50_000 < whole
