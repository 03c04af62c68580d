"""Equal terms: what each method trains on and how many samples its models see."""

import copy
import json

import msgspec
import pytest
from runs import SIZES, stage_settings

from mct.base.errors import UserError
from mct.base.keys import parse
from mct.base.partition import samples_of
from mct.base.roles import ROLES, clean_seed, model_seed, order_seed
from mct.calibration.settings import CalibrationSettings, PairSettings
from mct.data.layouts.registry import layout_class
from mct.experiment.baselines import BASELINES, EQUAL_COMPUTE, EQUAL_SAMPLES, FINETUNED, FineTuning
from mct.experiment.configuration import describe_keys, load_schema, resolve
from mct.experiment.ensembles import ENSEMBLES, ROWS, Distillation, Part
from mct.experiment.methods import (
    ALONE,
    METHODS,
    TRAININGS,
    check_confusions,
    needed_trainings,
)
from mct.experiment.pair import CALIBRATIONS, PRETRAININGS
from mct.learning.divergence import rate_key
from mct.learning.settings import CleanNetSettings, EvaluationSettings, TrainingSettings

CONFIG = resolve(
    {
        "pretraining": {"epochs_auxiliary": 40, "epochs_primary": 10, "learning_rate": 0.2},
        "calibration": {"epochs": 5, "learning_rate": 0.1, "schedule": "cosine"},
        "mct": {"clean_per_batch_auxiliary": 32, "clean_per_batch_primary": 16},
        "optimizer": {"batch_size": 64},
    }
)


def samples(method: str) -> int:
    """Return all samples that a method's stages process."""
    constant, decay = TRAININGS[method].epochs(CONFIG)
    return samples_of(constant, SIZES) + samples_of(decay, SIZES)


def test_methods_are_those_of_the_schema():
    known = dict(describe_keys(load_schema()))["methods"]["items"]["enum"]
    assert [*BASELINES, *CALIBRATIONS, *ROWS] == known
    known = [*BASELINES, *CALIBRATIONS]
    finetuned = dict(describe_keys(load_schema()))["finetuning.methods"]["items"]["enum"]
    assert finetuned == [name for name in known if name not in ("forward", "forward_finetuned")]
    assert [*known, *(f"{name}_finetuned" for name in finetuned), *ENSEMBLES] == list(METHODS)


@pytest.mark.parametrize("method", EQUAL_SAMPLES)
def test_baselines_see_as_many_samples_as_mp(method):
    """10 epochs of pretraining and 5 of calibration over 1,000 pictures, a quarter more of clean."""
    assert samples(method) == 10_000 + 5_000 * 5 // 4


def test_compute_of_a_pair_is_that_of_both_models_and_all_stages():
    pretraining = samples("pretrain_auxiliary") + samples("pretrain_primary")
    assert (samples("pretrain_auxiliary"), samples("pretrain_primary")) == (4_000, 10_000)
    assert samples("mct_paper") == pretraining + 2 * 5_000
    clean_samples = 5_000 // 2 + 5_000 // 4
    whole = pretraining + 10_000 + clean_samples
    assert samples("mct") == samples("mct_posterior") == whole
    assert [samples(method) for method in EQUAL_COMPUTE] == [whole] * len(EQUAL_SAMPLES)


def test_fine_tuning_passes_over_the_clean_set():
    assert samples("forward_finetuned") == 10 * 100
    settings = TRAININGS["forward_finetuned"].settings(CONFIG, 0)
    assert settings["learning_rate"] == settings["decay_learning_rate"] == 0.01


def test_the_deployed_model_of_each_baseline_went_through_its_own_lineage():
    assert TRAININGS["forward_finetuned"].lineage("primary") == ["forward", "forward_finetuned"]
    assert TRAININGS["mct"].lineage("auxiliary") == ["pretrain_auxiliary", "mct"]
    assert TRAININGS["glc"].lineage("primary") == ["glc"]
    assert TRAININGS["pretrain_primary"].lineage("primary") == ["pretrain_primary"]


def test_methods_pay_for_what_they_need_before():
    before = {name: method.preparations(CONFIG) for name, method in METHODS.items()}
    assert before["mct"] == before["mct_paper"] == list(PRETRAININGS)
    assert before["glc"] == before["cleannet"] == ["pretrain_primary"]
    assert before["forward_finetuned"] == ["forward"]
    assert before["forward"] == before["oeem"] == before["noise_only"] == []
    anchors = resolve({"baselines": {"loss_correction": {"confusion": "anchors"}}})
    assert METHODS["forward_finetuned"].preparations(anchors) == ["pretrain_primary", "forward"]


def test_what_is_needed_is_trained_once_in_the_order_of_the_table():
    config = {**CONFIG, "methods": ["glc", "forward_finetuned", "noise_only"]}
    expected = ["pretrain_primary", "noise_only", "forward", "glc", "forward_finetuned"]
    assert needed_trainings(config) == expected


def test_a_confusion_is_asked_for_by_corrections_and_posterior_targets_alone():
    kinds = {name: method.confusion_kind(CONFIG) for name, method in METHODS.items()}
    assert {method for method, kind in kinds.items() if kind} == {
        "forward", "forward_compute", "backward", "backward_compute", "glc", "glc_compute", "mct",
        "mct_posterior",
    }  # fmt: skip
    assert (kinds["forward"], kinds["glc"], kinds["mct"]) == ("counted", "estimated", "counted")


def test_methods_whose_confusion_cannot_be_counted_are_named():
    dataset = {**CONFIG["dataset"], "layout": "webvision"}
    layout = layout_class("webvision")
    for methods, users in (
        (["noise_only", "mct"], "mct"),
        (["forward_finetuned", "forward"], "forward_finetuned and forward"),
        (["glc", "backward"], "backward"),
    ):
        with pytest.raises(UserError, match=rf"webvision has none; .* leave {users} out of"):
            check_confusions({**CONFIG, "dataset": dataset, "methods": methods}, layout)
    check_confusions({**CONFIG, "dataset": dataset, "methods": ["glc", "mct_paper"]}, layout)


def test_the_section_mct_is_of_that_method_alone():
    ours, papers = (CALIBRATIONS[method].settings(CONFIG, 0) for method in ("mct", "mct_paper"))
    assert (ours["targets"], papers["targets"]) == ("posterior", "soft")
    assert (ours["clean_per_batch_auxiliary"], papers["clean_per_batch_auxiliary"]) == (32, 0)
    assert ours["epochs"] == papers["epochs"] == 5


def test_the_papers_form_is_that_of_the_defaults_of_its_settings():
    """Method `mct` has others, without a change of these."""
    papers = parse(CalibrationSettings, CALIBRATIONS["mct_paper"].settings(CONFIG, 0))
    for field in msgspec.structs.fields(CalibrationSettings):
        if field.name in PairSettings.__annotations__:
            assert getattr(papers, field.name) == field.default, field.name


def test_a_teacher_of_averages_costs_a_forward_pass_more():
    assert CALIBRATIONS["mct_paper"].cost(CONFIG) == 1
    assert CALIBRATIONS["mct"].cost(CONFIG) == pytest.approx(1.5)
    averaged = resolve({**CONFIG, "mct": {**CONFIG["mct"], "teacher_average_epochs": 1}})
    assert CALIBRATIONS["mct"].cost(averaged) == pytest.approx(1.5 + 1 / 3)
    strong = resolve({"images": {"strong_augmentation": 0.5}})
    assert CALIBRATIONS["mct_paper"].cost(strong) == pytest.approx(1 + 1 / 3)


@pytest.mark.parametrize(
    ("method", "roles"),
    [
        ("mct_paper", ROLES),
        ("mct", ROLES),
        ("pretrain_auxiliary", ("auxiliary",)),
        ("pretrain_primary", ("primary",)),
        *((method, ("primary",)) for method in BASELINES),
    ],
)
def test_roles_of_a_method(method, roles):
    assert TRAININGS[method].roles == roles
    both = ("pair",) if len(roles) == 2 else ()
    assert TRAININGS[method].evaluated_roles == (*roles, *both)


def test_baselines_start_like_mp_and_ma_otherwise():
    seeds = [model_seed(seed, role) for seed in range(5) for role in ROLES]
    assert len(set(seeds)) == len(seeds)
    orders = [order_seed(seed, stage) for seed in range(5) for stage in (1, 2)]
    cleans = [
        clean_seed(seed, stage, role)
        for seed in (0, 1, 2**32 - 1) for stage in (1, 2) for role in ROLES
    ]  # fmt: skip
    assert len({*orders, *cleans}) == len(orders) + len(cleans)


@pytest.mark.parametrize("method", [*PRETRAININGS, *BASELINES])
def test_settings_of_a_training_follow_the_configuration(method):
    settings = parse(TrainingSettings, TRAININGS[method].settings(CONFIG, seed=3))
    expected = ALONE[method].training_set
    assert (settings.training_set, settings.seed) == (expected, 3)
    if method == "forward_finetuned":
        return
    assert settings.learning_rate == 0.2
    decay = ("constant", 0.0) if method in PRETRAININGS else ("cosine", 0.1)
    assert (settings.schedule, settings.decay_learning_rate) == decay


def test_settings_of_calibration_and_evaluation_follow_the_configuration():
    calibration = parse(CalibrationSettings, CALIBRATIONS["mct"].settings(CONFIG, seed=2))
    assert (calibration.epochs, calibration.learning_rate, calibration.seed) == (5, 0.1, 2)
    evaluation = parse(EvaluationSettings, json.loads(stage_settings(CONFIG).evaluation()))
    assert evaluation.images == calibration.images
    cleannet = parse(CleanNetSettings, json.loads(stage_settings(CONFIG).cleannet("2")))
    assert (cleannet.epochs, cleannet.seed) == (40, 2)


def test_a_rate_of_its_own_is_that_of_its_methods_decay_alone():
    config = copy.deepcopy(CONFIG)
    config["calibration"]["learning_rates"] = {"mct": 0.4, "forward": 0.3}
    pairs = {method: CALIBRATIONS[method].settings(config, 0) for method in CALIBRATIONS}
    assert {method: pair["learning_rate"] for method, pair in pairs.items()} == {
        **dict.fromkeys(CALIBRATIONS, 0.1), "mct": 0.4,
    }  # fmt: skip
    single = {method: TRAININGS[method].settings(config, 0) for method in ("forward", "glc")}
    assert (single["forward"]["learning_rate"], single["glc"]["learning_rate"]) == (0.2, 0.2)
    rates = {method: training["decay_learning_rate"] for method, training in single.items()}
    assert rates == {"forward": 0.3, "glc": 0.1}


def test_every_method_but_one_with_its_own_key_can_have_a_rate_of_its_own():
    key = dict(describe_keys(load_schema()))["calibration.learning_rates"]
    names = key["propertyNames"]["enum"]
    own = {**FINETUNED, **ENSEMBLES, "forward_finetuned": ""}
    assert names == [name for name in METHODS if name not in own]
    assert set(names) == {*BASELINES, *CALIBRATIONS} - {"forward_finetuned"}


def test_execution_is_in_no_stages_settings():
    """So that a change of it reruns nothing."""
    other = copy.deepcopy(CONFIG)
    other["execution"].update(threads_per_rank=7, device="cpu")
    for method in (*PRETRAININGS, *BASELINES):
        assert TRAININGS[method].settings(CONFIG, 0) == TRAININGS[method].settings(other, 0)
    for method in CALIBRATIONS:
        assert CALIBRATIONS[method].settings(CONFIG, 0) == CALIBRATIONS[method].settings(other, 0)


def test_a_diverged_training_names_the_key_of_its_rate():
    common = "pretraining.learning_rate"
    for name, method in TRAININGS.items():
        if not method.trains:
            continue
        decay = f"calibration.learning_rate (or calibration.learning_rates.{name})"
        kinds = {True: common, False: common if name in PRETRAININGS else decay}
        if isinstance(method, Distillation | Part):
            which = "distillation_" * isinstance(method, Distillation)
            which = which or "collapse_" * name.startswith("collapsed")
            kinds = dict.fromkeys(kinds, f"ensemble.{which}learning_rate")
        elif isinstance(method, FineTuning):
            is_general = name != "forward_finetuned"
            section = "finetuning." if is_general else "baselines.loss_correction.finetuning_"
            kinds = dict.fromkeys(kinds, f"{section}learning_rate")
        assert {kind: rate_key(name, is_constant=kind) for kind in kinds} == kinds


def test_the_accuracy_table_knows_pretrainings_then_methods_then_what_those_need():
    config = {**CONFIG, "methods": ["mct", "forward_finetuned"]}
    rows = json.loads(stage_settings(config).table("somewhere"))["methods"]
    assert list(rows) == [*PRETRAININGS, "mct", "forward_finetuned", "forward"]
    assert rows["mct"]["lineages"] == {role: [f"pretrain_{role}", "mct"] for role in ROLES}
    assert rows["forward_finetuned"]["preparations"] == ["forward"]
