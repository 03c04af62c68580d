"""Clean fine-tuning, a last phase that every method can have."""

import json

import pytest
from runs import stage_settings

from mct.base.errors import UserError
from mct.base.keys import parse
from mct.experiment.configuration import resolve
from mct.experiment.methods import ALONE, TRAININGS, needed_trainings, rows_of
from mct.experiment.pair import PRETRAININGS
from mct.experiment.result_files import ResultFiles
from mct.learning.settings import TrainingSettings
from mct.results import accuracy
from mct.results.tables import Run

TUNED = resolve(
    {
        "methods": ["noise_only", "mct", "forward_finetuned"],
        "finetuning": {"methods": ["mct", "noise_only"], "epochs": 3, "learning_rate": 0.002},
    }
)


def test_a_fine_tuned_row_follows_the_row_of_its_method():
    rows = ["noise_only", "noise_only_finetuned", "mct", "mct_finetuned", "forward_finetuned"]
    assert rows_of(TUNED) == rows
    alone = {**TUNED, "methods": ["forward_finetuned"]}
    assert rows_of(alone) == ["forward_finetuned", "mct_finetuned", "noise_only_finetuned"]
    assert needed_trainings(alone) == [
        *PRETRAININGS, "noise_only", "forward", "forward_finetuned", "mct", "noise_only_finetuned",
        "mct_finetuned",
    ]  # fmt: skip


def test_fine_tuning_continues_the_deployed_model_on_the_clean_set():
    method = ALONE["mct_finetuned"]
    settings = parse(TrainingSettings, method.settings(TUNED, 5))
    assert (settings.training_set, settings.loss, settings.weighting) == (
        "clean", "cross_entropy", "equal",
    )  # fmt: skip
    assert (settings.constant_epochs, settings.decay_epochs) == ({}, {"clean": 3})
    assert settings.learning_rate == settings.decay_learning_rate == 0.002
    assert (settings.schedule, settings.seed) == ("linear", 5)
    files = ResultFiles("r", TUNED)
    start = files.start("mct_finetuned", "seed5_ranks4")
    assert start == ["r/models/digits/mct/seed5_ranks4/primary.safetensors"]
    assert files.evidence("mct_finetuned", "seed5_ranks4") == []
    assert method.lineage("primary") == ["pretrain_primary", "mct", "mct_finetuned"]
    assert method.preparations(TUNED) == [*PRETRAININGS, "mct"]


def test_the_table_names_fine_tuned_rows_and_counts_all_that_they_need():
    facts = json.loads(stage_settings(TUNED).table("somewhere"))["methods"]
    methods = {name: accuracy.Method(**fact) for name, fact in facts.items()}
    assert methods["mct_finetuned"].title == "MCT, fine-tuned"
    assert methods["forward_finetuned"].title == "Loss correction"
    run = Run("mct_finetuned", 0, 4, "primary")
    seen = {"pretrain_auxiliary": 1, "pretrain_primary": 10, "mct_finetuned": 1000}
    records = {
        run._replace(method=name, role="record"): {"samples_seen": count}
        for name, count in seen.items()
    }
    pair = {"samples_seen": 200, "samples_seen_auxiliary": 100, "samples_seen_primary": 100}
    records[run._replace(method="mct", role="record")] = pair
    assert accuracy.count_samples(run, records, methods) == (1110, 1211)


def test_fine_tuning_changes_no_settings_of_other_trainings():
    plain = {**TUNED, "finetuning": resolve({})["finetuning"]}
    for name in needed_trainings(plain):
        assert TRAININGS[name].settings(plain, 0) == TRAININGS[name].settings(TUNED, 0)


def test_loss_correction_is_fine_tuned_by_keys_of_its_own():
    with pytest.raises(UserError, match=r"finetuning\.methods\.0`: expected one of noise_only"):
        resolve({"finetuning": {"methods": ["forward"]}})
