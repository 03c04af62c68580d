"""Trainings of the published size on the queues of the profile: memory mode, nodes and time."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from published_lists import CLOTHING1M, write_clothing1m_lists

from mct.cluster.demands import Demand
from mct.cluster.planning import Planner
from mct.cluster.site import read_site
from mct.experiment.experiment import Experiment
from mct.experiment.pair import CALIBRATIONS

PROJECT = Path(__file__).parents[2]
SITE = read_site(PROJECT / "profiles/slurm/partitions.yaml")
METHODS = ["noise_only", "clean_noisy", "glc", "cleannet", "mct_paper", "mct"]


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with lists of Clothing1M's size."""
    return write_clothing1m_lists(tmp_path_factory.mktemp("published") / "clothing1m")


@pytest.fixture(scope="module")
def sizes(lists: Path) -> dict[str, int]:
    """Return the sizes of all sets, as the workflow reads them from the lists."""
    config = {**clothing1m(lists), "results": str(lists.parent / "results")}
    return Experiment(config).sizes


def clothing1m(root: Path, **sections: Any) -> dict[str, Any]:
    """Return the shipped configuration of Clothing1M, with some keys of sections changed."""
    config = yaml.safe_load((PROJECT / "config/clothing1m.yaml").read_text())
    given = {"dataset": {"root": str(root), "check_files": False}, **sections}
    changed = {
        name: {**config.get(name, {}), **keys} if isinstance(keys, dict) else keys
        for name, keys in given.items()
    }
    return {**config, **changed}


def plan(lists: Path, sizes: dict[str, int], ranks: int, **sections: Any) -> Planner:
    """Return the planner of a run of so many ranks on the lists."""
    experiment = Experiment(clothing1m(lists, ranks=[ranks], methods=METHODS, **sections))
    experiment.__dict__["sizes"] = sizes
    return Planner(experiment, SITE)


def trainings(planner: Planner, ranks: int) -> dict[str, Demand]:
    """Return what each training of a run asks for."""
    names = ["pretrain_auxiliary", "pretrain_primary", *METHODS]
    return {
        name: (planner.calibrate if name in CALIBRATIONS else planner.train)(name, str(ranks), 1)
        for name in names
    }


def test_lists_of_the_published_size_are_read(sizes: dict[str, int]):
    assert (sizes["noisy"], sizes["clean"]) == (CLOTHING1M["noisy"], CLOTHING1M["clean"])
    assert (sizes["validation"], sizes["test"]) == (CLOTHING1M["val"], CLOTHING1M["test"])


@pytest.mark.parametrize("ranks", [4, 8, 16, 32, 64, 128, 256, 512])
def test_the_queues_take_alexnet_of_the_papers_scaling(
    lists: Path, sizes: dict[str, int], ranks: int
):
    """Table 1's job: 128 pictures a rank and 90 epochs. A pair's batch is that of one rank."""
    planner = plan(
        lists, sizes, ranks,
        model={"name": "alexnet"}, optimizer={"batch_size": 64 * ranks},
        pretraining={"epochs_auxiliary": 90, "epochs_primary": 90}, calibration={"epochs": 90},
    )  # fmt: skip
    for name, demand in trainings(planner, ranks).items():
        refusal = planner.refusal("calibrate_pair", demand.resources, str(ranks))
        assert refusal is None, f"{name}: {refusal}"
        assert demand.cpus_per_task <= 4
        assert demand.nodes * 4 >= demand.tasks * demand.cpus_per_task
        assert demand.runtime <= 120
    own, other = (planner.calibrate("mct", each, 1).work_seconds for each in (str(ranks), "2"))
    assert own == pytest.approx(2 * other / ranks, rel=0.01)


@pytest.mark.parametrize("ranks", [16, 32, 64, 128, 256, 512])
def test_the_queues_take_resnet50_where_a_rank_has_few_pictures(
    lists: Path, sizes: dict[str, int], ranks: int
):
    planner = plan(lists, sizes, ranks, model={"name": "resnet50"}, optimizer={"batch_size": 256})
    for name, demand in trainings(planner, ranks).items():
        refusal = planner.refusal("calibrate_pair", demand.resources, str(ranks))
        assert refusal is None, f"{name}: {refusal}"
    calibration = planner.calibrate("mct", str(ranks), 1)
    assert calibration.runtime == 120
    assert calibration.work_seconds > 120 * 60
    assert calibration.rank_cpus == (2 if ranks == 16 else 1)


@pytest.mark.parametrize("model", ["alexnet", "resnet50"])
def test_the_queues_take_all_predictions(lists: Path, sizes: dict[str, int], model: str):
    planner = plan(lists, sizes, 64, model={"name": model})
    asked = {
        "evaluate_model": planner.evaluate("test", "mct", 1),
        "estimate_noise_by_models": planner.estimate_noise(1),
        "estimate_confusion": planner.predict(("noisy",), 1),
        "score_labels": planner.score(1),
    }
    for rule, demand in asked.items():
        assert planner.refusal(rule, demand.resources, "64") is None, rule


def test_too_few_ranks_for_the_memory_of_a_node_are_refused_with_how_many_do(
    lists: Path, sizes: dict[str, int]
):
    planner = plan(lists, sizes, 4, model={"name": "resnet50"}, optimizer={"batch_size": 256})
    refusal = planner.refusal("calibrate_pair", planner.calibrate("mct", "4", 1).resources, "4")
    named = re.search(r"the queues carry (\d+) ranks and more", refusal or "")
    assert named is not None, refusal
    least = int(named[1])
    assert 4 < least < 16
    for ranks, is_carried in ((least - 2, False), (least, True)):
        sized = plan(lists, sizes, ranks, model={"name": "resnet50"}, optimizer={"batch_size": 256})
        trainings = sized._on_ranks("calibrate_pair", str(ranks))
        assert all(sized.refusal("", each.resources) is None for each in trainings) == is_carried


def test_too_many_ranks_for_the_queues_are_refused_with_the_most_that_they_carry(
    lists: Path, sizes: dict[str, int]
):
    planner = plan(lists, sizes, 1024)
    demand = planner.calibrate("mct", "1024", 1)
    refusal = planner.refusal("calibrate_pair", demand.resources, "1024")
    assert refusal is not None
    assert refusal.endswith("; the queues carry at most 512 ranks")
    scaling = planner.rehearse("1024", 1)
    assert "at most 512 ranks" in str(planner.refusal("measure_scaling", scaling.resources, "1024"))
