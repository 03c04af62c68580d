"""Ensembles: how one budget is divided, and which models and rows they consist of."""

import pytest
from runs import SIZES

from mct.base.errors import UserError
from mct.base.keys import parse
from mct.base.partition import samples_of
from mct.experiment.configuration import resolve
from mct.experiment.ensembles import MOST_CYCLES
from mct.experiment.methods import find, needed_trainings, rows_of, trainings_of
from mct.experiment.result_files import ResultFiles
from mct.learning.settings import Phase


def config(**given):
    """Return a configuration of 3 cycles, whose method sees 15 epochs of the noisy set."""
    ensemble = {"cycles": 3, "learning_rate": 0.4, "rate_factor": 0.5, **given}
    return resolve(
        {
            "methods": ["collapsed_ensemble", "mct"],
            "pretraining": {"epochs_primary": 10},
            "calibration": {"epochs": 5},
            "mct": {"clean_per_batch_auxiliary": 0, "clean_per_batch_primary": 0},
            "ensemble": ensemble,
        }
    )


def samples(name: str, found=None) -> int:
    found = found or config()
    return sum(samples_of(part, SIZES) for part in find(found, name).epochs(found))


@pytest.mark.parametrize("ensemble", ["snapshot_ensemble", "collapsed_ensemble"])
def test_an_ensemble_has_the_budget_of_its_method(ensemble):
    whole = sum(samples(name) for name in trainings_of(config(), ensemble))
    assert whole == samples("noise_only") == 15_000


def test_cycles_leave_to_collapses_their_share():
    assert samples("snapshot_1") == samples("snapshot_3") == 5_000
    assert samples("cycle_2") == 4_000
    assert samples("collapsed_2") == 1_000
    assert samples("collapsed_2", config(collapse_share=0)) == 0


def test_each_cycle_continues_the_one_before_and_a_collapse_its_cycle():
    assert [find(config(), f"cycle_{number}").start for number in (1, 2, 3)] == [
        "",
        "cycle_1",
        "cycle_2",
    ]
    assert find(config(), "collapsed_2").start == "cycle_2"
    assert find(config(), "collapsed_2").lineage("primary") == ["cycle_1", "cycle_2", "collapsed_2"]


def test_rates_shrink_from_cycle_to_cycle_and_a_collapse_has_its_own():
    def settings(name):
        return find(config(), name).settings(config(), 0)

    rates = [settings(f"cycle_{number}")["decay_learning_rate"] for number in (1, 2, 3)]
    assert rates == [0.4, 0.2, 0.1]
    assert settings("collapsed_1")["decay_learning_rate"] == 0.01
    assert settings("cycle_1")["schedule"] == "cosine"
    (phase,) = (parse(Phase, each) for each in settings("collapsed_1")["schedule"])
    assert (phase.shape, phase.power, phase.weight_decay) == ("polynomial", 2, 2)


def test_all_parts_draw_their_orders_apart():
    found = config(cycles=MOST_CYCLES)
    names = [*trainings_of(found, "snapshot_ensemble"), *trainings_of(found, "collapsed_ensemble")]
    parts = {name: find(found, name).settings(found, 0)["part"] for name in names}
    of_chain = {
        kind: [p for n, p in parts.items() if n.startswith(kind)] for kind in ("cycle", "snap")
    }
    assert of_chain["cycle"] == of_chain["snap"] == list(range(1, MOST_CYCLES + 1))
    collapsed = {part for name, part in parts.items() if name.startswith("collapsed")}
    assert len(collapsed) == MOST_CYCLES and not collapsed & set(of_chain["cycle"])


def test_the_table_shows_the_members_before_their_mean():
    members = ["collapsed_1", "collapsed_2", "collapsed_3"]
    assert rows_of(config()) == [*members, "collapsed_ensemble", "mct"]
    needed = needed_trainings(config())
    assert {"cycle_1", "cycle_2", "cycle_3", *members} < set(needed)
    assert "collapsed_ensemble" not in needed and "snapshot_1" not in needed


def test_an_ensemble_has_the_labels_and_the_loss_of_its_method():
    settings = find(config(of="glc"), "cycle_2").settings(config(of="glc"), 0)
    assert (settings["training_set"], settings["loss"]) == ("union", "forward")
    assert "pretrain_primary" in trainings_of(config(of="glc"), "collapsed_ensemble")


def files() -> ResultFiles:
    return ResultFiles(
        "results", {**config(), "dataset": {"name": "made"}, "seeds": [0], "ranks": [2]}
    )


def test_an_ensemble_is_evaluated_by_its_members_and_taught_from_them():
    run = "seed0_ranks2"
    paths = [f"results/models/made/collapsed_{n}/{run}/primary.safetensors" for n in (1, 2, 3)]
    assert files().evaluated_weights("collapsed_ensemble", run, "primary") == paths
    assert files().teachers("collapsed_ensemble_distilled", run) == paths
    assert files().start("collapsed_ensemble_distilled", run) == paths[-1:]
    pair = [
        f"results/models/made/mct/{run}/{role}.safetensors" for role in ("auxiliary", "primary")
    ]
    assert files().teachers("mct_distilled", run) == pair
    assert files().start("mct_distilled", run) == pair[1:]


def test_an_ensemble_is_not_handed_over():
    assert files().exported_method == "mct"
    with pytest.raises(UserError, match="collapsed_ensemble_distilled"):
        files().exported_weights("collapsed_ensemble")
