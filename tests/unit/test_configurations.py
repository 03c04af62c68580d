"""Every configuration that ships: its values go together, and each of its stages has settings."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from runs import ranks_of

from mct.base.architectures import ARCHITECTURES
from mct.base.keys import parse
from mct.calibration.settings import CalibrationSettings
from mct.data.settings import ShardSettings
from mct.experiment.cautions import norm_cautions
from mct.experiment.combinations import check_views
from mct.experiment.configuration import resolve
from mct.experiment.methods import ALONE, check_methods, needed_trainings, rows_of
from mct.experiment.pair import CALIBRATIONS
from mct.learning.settings import TrainingSettings

FOLDER = Path(__file__).parents[2] / "config"
CONFIGS = sorted(FOLDER.glob("*.yaml"))
PHOTOGRAPHS = ("clothing1m", "webvision", "food101n", "alexnet_scaling", "large_batch")


def resolved(name: str) -> dict[str, Any]:
    return resolve(yaml.safe_load((FOLDER / f"{name}.yaml").read_text()))


@pytest.mark.parametrize("name", [path.stem for path in CONFIGS])
def test_each_stage_of_a_configuration_has_settings_in_each_run(name):
    config = resolved(name)
    check_views(config["images"])
    check_methods(config)
    ranks = ranks_of(config)
    for method in needed_trainings(config):
        kind = TrainingSettings if method in ALONE else CalibrationSettings
        for run in map(str, config["ranks"]):
            settings = parse(kind, ranks.settings(method, 0, run))
            assert settings.optimizer.batch_size >= 1
            assert settings.images.size == config["images"]["size"]


@pytest.mark.parametrize("name", [path.stem for path in CONFIGS])
def test_no_norm_of_a_configuration_has_few_pictures(name):
    config = resolved(name)
    known = ARCHITECTURES[config["model"]["name"]].norms
    assert norm_cautions(ranks_of(config), known) == []


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_photographs_are_stored_at_the_short_side_that_views_are_cropped_from(name):
    """So that no picture is resized in every epoch."""
    config = resolved(name)
    assert (config["images"]["size"], config["images"]["resize"]) == (224, 256)
    assert config["shards"]["short_side"] == config["images"]["resize"]
    keys = {**config["images"], **config["shards"]}
    stored = {name: keys[name] for name in ("encoding", "short_side", "quality", "size")}
    assert parse(ShardSettings, stored).encoding == "auto"


def test_the_scaling_job_is_that_of_the_papers_table():
    config = resolved("alexnet_scaling")
    assert config["model"]["name"] == "alexnet"
    assert config["ranks"] == [32, 64, 128, 256, 512]
    assert config["calibration"]["epochs"] == 90
    batches = {
        run: ranks_of(config).settings("mct_paper", 0, str(run))["optimizer"]["batch_size"]
        for run in config["ranks"]
    }
    assert batches == {run: 128 * run // 2 for run in config["ranks"]}


def test_clean_samples_keep_their_share_of_a_batch_that_grows_with_the_ranks():
    """An eighth of the batch of a model of the pair, or of a baseline, which has twice the ranks."""
    ranks = ranks_of(resolved("large_batch"))
    for run in (32, 512):
        pair = ranks.settings("mct", 0, str(run))
        assert pair["optimizer"]["batch_size"] == 128 * run // 2
        counts = {pair[f"clean_per_batch_{role}"] for role in ("auxiliary", "primary")}
        assert counts == {16 * run // 2}
        glc = ranks.settings("glc", 0, str(run))
        assert (glc["optimizer"]["batch_size"], glc["clean_per_batch"]) == (128 * run, 16 * run)


def test_clothing1m_compares_rows_with_their_like():
    rows = rows_of(resolved("clothing1m"))
    assert rows == [
        "noise_only", "noise_only_finetuned", "forward_finetuned", "cleannet",
        "cleannet_finetuned", "glc", "glc_finetuned", "mct_paper", "mct_paper_finetuned", "mct",
        "mct_finetuned",
    ]  # fmt: skip
    assert {*CALIBRATIONS} - {"mct_posterior"} <= set(rows)
    config = resolved("clothing1m")
    own, general = config["baselines"]["loss_correction"], config["finetuning"]
    assert own["finetuning_epochs"] == general["epochs"]
    assert own["finetuning_learning_rate"] == general["learning_rate"]
