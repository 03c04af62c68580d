"""The global batch that ranks give, in the settings of each training and in equal terms."""

import json

import pytest
from runs import ranks_of, stage_settings

from mct.base.errors import UserError
from mct.base.keys import parse
from mct.calibration.settings import CalibrationSettings
from mct.experiment.configuration import resolve
from mct.experiment.pair import PRETRAININGS

PER_RANK = resolve({
    "optimizer": {"batch_per_rank": 16},
    "methods": ["mct", "glc", "cleannet"],
    "pretraining": {"epochs_primary": 10},
})  # fmt: skip


def batch_of(method: str, ranks: str, **keys: object) -> int:
    config = {**PER_RANK, **keys}
    return ranks_of(config).settings(method, 0, ranks)["optimizer"]["batch_size"]


def test_a_batch_by_ranks_is_that_of_the_ranks_of_each_model():
    """Ma has 4,000 and Mp 10,000 samples, so of 8 ranks Ma has 2."""
    ranks = ranks_of(PER_RANK)
    batches = {
        name: ranks.settings(name, 0, "8")["optimizer"]["batch_size"]
        for name in (*PRETRAININGS, "glc", "mct")
    }
    assert batches == {
        "pretrain_auxiliary": 2 * 16, "pretrain_primary": 6 * 16, "glc": 8 * 16, "mct": 4 * 16,
    }  # fmt: skip
    assert batch_of("glc", "8", baselines={**PER_RANK["baselines"], "ranks": "half"}) == 4 * 16
    assert batch_of("mct", "2") == 16


@pytest.mark.parametrize("ranks", ["2", "4", "32"])
def test_equal_terms_follow_the_batch_of_the_pair(ranks):
    """16 clean samples join each batch of the pair, 16 samples on each of its ranks."""
    clean = PER_RANK["calibration"]["epochs"] * 2 / int(ranks)
    epochs = PER_RANK["pretraining"]["epochs_primary"] + PER_RANK["calibration"]["epochs"] + clean
    plan = ranks_of(PER_RANK)
    for method in ("noise_only", "glc", "clean_only"):
        settings = plan.settings(method, 0, ranks)
        total = sum(settings["constant_epochs"].values()) + sum(settings["decay_epochs"].values())
        assert total == pytest.approx(epochs)
        assert plan.samples(method, ranks) == round(1000 * epochs)
    settings = plan.settings("mct", 0, ranks)
    assert "batch_per_rank" not in settings["optimizer"]
    assert parse(CalibrationSettings, settings).optimizer.batch_size == 8 * int(ranks)


def test_settings_are_the_same_however_the_batch_is_given():
    """So that nothing reruns where only the key is another."""
    for method in ("mct", "mct_paper", "pretrain_primary", "glc"):
        given = ranks_of(PER_RANK).settings(method, 0, "8")
        batch = given["optimizer"]["batch_size"]
        pair = resolve(
            {"optimizer": {"batch_size": 4 * 16}, "pretraining": PER_RANK["pretraining"]}
        )
        plain = ranks_of(pair).settings(method, 0, "8")
        plain["optimizer"]["batch_size"] = batch
        assert given == plain


def test_cleannets_verification_and_prefetch_have_the_batch_of_their_ranks():
    settings = stage_settings(PER_RANK)
    assert json.loads(settings.cleannet("0"))["optimizer"]["batch_size"] == 16
    assert json.loads(settings.reading("4"))["optimizer"]["batch_size"] == 64
    assert json.loads(stage_settings(resolve({})).reading("4"))["optimizer"]["batch_size"] == 64


def test_a_batch_is_given_once():
    both = {"batch_size": 64, "batch_per_rank": 16}
    with pytest.raises(UserError, match="expected batch_size or batch_per_rank, got both"):
        resolve({"optimizer": both})
    assert resolve({"optimizer": {**both, "batch_per_rank": None}}) == resolve({})
    assert "batch_size" not in PER_RANK["optimizer"]
    assert resolve(PER_RANK) == PER_RANK
