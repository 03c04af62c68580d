"""Equal terms: what each method trains on and how many samples its models see."""

import copy

import pytest

from mct.methods import (
    BASELINES,
    CALIBRATED,
    METHODS,
    PRETRAINING,
    ROLES,
    calibration_settings,
    evaluation_settings,
    model_seed,
    order_seed,
    roles_of,
    samples_of,
    stage_epochs,
    training_settings,
)
from mct.settings import (
    CalibrationSettings,
    EvaluationSettings,
    TrainingSettings,
    describe_keys,
    load_schema,
    parse,
    resolve,
)

CONFIG = resolve(
    {
        "pretraining": {"epochs_auxiliary": 40, "epochs_primary": 10, "learning_rate": 0.2},
        "calibration": {"epochs": 5, "learning_rate": 0.1, "schedule": "cosine"},
    }
)
SIZES = {"clean": 100, "noisy": 1000}


def samples(method: str) -> int:
    """Return all samples that a method's stages process."""
    constant, decay = stage_epochs(CONFIG, method)
    return samples_of(constant, SIZES) + samples_of(decay, SIZES)


def test_methods_are_those_of_the_schema():
    known = dict(describe_keys(load_schema()))["methods"]["items"]["enum"]
    assert list(METHODS) == known
    assert [*BASELINES, *CALIBRATED] == known


@pytest.mark.parametrize("method", ["noise_only", "clean_only", "clean_noisy"])
def test_baselines_see_as_many_samples_as_mp(method):
    """10 epochs of pretraining and 5 of calibration over 1,000 pictures."""
    assert samples(method) == 15_000


def test_compute_of_a_pair_is_that_of_both_models_and_all_stages():
    pretraining = samples("pretrain_auxiliary") + samples("pretrain_primary")
    assert (samples("pretrain_auxiliary"), samples("pretrain_primary")) == (4_000, 10_000)
    assert samples("mct_paper") == samples("noise_only_compute") == pretraining + 2 * 5_000


@pytest.mark.parametrize(
    ("method", "roles"),
    [
        ("mct_paper", ROLES),
        ("pretrain_auxiliary", ("auxiliary",)),
        ("pretrain_primary", ("primary",)),
        *((method, ("primary",)) for method in BASELINES),
    ],
)
def test_roles_of_a_method(method, roles):
    assert roles_of(method) == roles


def test_baselines_start_like_mp_and_ma_otherwise():
    seeds = [model_seed(seed, role) for seed in range(5) for role in ROLES]
    assert len(set(seeds)) == len(seeds)
    orders = [order_seed(seed, stage) for seed in range(5) for stage in (1, 2)]
    assert len(set(orders)) == len(orders)


@pytest.mark.parametrize("method", [*PRETRAINING, *BASELINES])
def test_settings_of_a_training_follow_the_configuration(method):
    settings = parse(TrainingSettings, training_settings(CONFIG, method, seed=3))
    expected = {**METHODS, **PRETRAINING}[method].training_set
    assert (settings.training_set, settings.seed) == (expected, 3)
    assert settings.learning_rate == 0.2
    decay = ("constant", 0.0) if method in PRETRAINING else ("cosine", 0.1)
    assert (settings.schedule, settings.decay_learning_rate) == decay


def test_settings_of_calibration_and_evaluation_follow_the_configuration():
    calibration = parse(CalibrationSettings, calibration_settings(CONFIG, seed=2))
    assert (calibration.epochs, calibration.learning_rate, calibration.seed) == (5, 0.1, 2)
    evaluation = parse(EvaluationSettings, evaluation_settings(CONFIG))
    assert evaluation.images == calibration.images


def test_execution_is_in_no_stages_settings():
    """So that a change of it reruns nothing."""
    other = copy.deepcopy(CONFIG)
    other["execution"].update(threads_per_rank=7, device="cpu")
    for method in (*PRETRAINING, *BASELINES):
        assert training_settings(CONFIG, method, 0) == training_settings(other, method, 0)
    assert calibration_settings(CONFIG, 0) == calibration_settings(other, 0)
