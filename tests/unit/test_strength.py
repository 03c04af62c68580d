"""How strongly labels should be corrected, by samples that Ma did not see."""

import numpy as np
import pytest
from test_coupling import settings

from mct.base.errors import UserError
from mct.calibration.evidence import Evidence
from mct.data.held_out import held_out
from mct.experiment.configuration import resolve
from mct.experiment.experiment import Experiment
from mct.experiment.pair import PRETRAININGS
from mct.labels.confusions import symmetric_matrix
from mct.labels.strength import measure_strength

CLASSES, SAMPLES = 5, 2000
TRUE = np.random.default_rng(0).integers(CLASSES, size=SAMPLES)
MATRIX = symmetric_matrix(CLASSES, 0.4)


def sure_of(right: float, sure: float) -> np.ndarray:
    """Return logits of a teacher that is right that often, and gives its class `sure`."""
    rng = np.random.default_rng(1)
    wrong = (TRUE + rng.integers(1, CLASSES, size=SAMPLES)) % CLASSES
    named = np.where(rng.random(SAMPLES) < right, TRUE, wrong)
    return np.log(np.where(np.eye(CLASSES)[named] > 0, sure, (1 - sure) / (CLASSES - 1)))


def test_a_teacher_that_knows_its_own_mistakes_is_followed():
    found = measure_strength(sure_of(0.8, 0.8), TRUE, MATRIX)
    assert found.strength > 0.9
    assert found.teacher > found.label
    assert found.samples == SAMPLES


def test_a_teacher_that_is_sure_and_wrong_is_not():
    found = measure_strength(sure_of(0.2, 0.999), TRUE, MATRIX)
    assert found.strength < 0.2
    assert found.teacher < found.label


def test_a_teacher_in_between_is_followed_in_part():
    strengths = [
        measure_strength(sure_of(r, 0.999), TRUE, MATRIX).strength for r in (0.4, 0.6, 0.8)
    ]
    assert strengths == sorted(strengths)
    assert 0.1 < strengths[0] < strengths[-1] < 0.95


def test_likelihoods_of_two_classes_by_hand():
    """Both classes have two samples of four; P(true | label alone) is .8 or .2, and Ma says .9."""
    true = np.array([0, 1])
    logits = np.log([[0.9, 0.1], [0.1, 0.9]])
    found = measure_strength(logits, true, symmetric_matrix(2, 0.2))
    right = 0.9 * 0.8 / (0.9 * 0.8 + 0.1 * 0.2)
    wrong = 0.9 * 0.2 / (0.9 * 0.2 + 0.1 * 0.8)
    assert found.label == pytest.approx(0.8 * np.log(0.8) + 0.2 * np.log(0.2))
    assert found.teacher == pytest.approx(0.8 * np.log(right) + 0.2 * np.log(wrong))


def test_few_samples_are_no_proof():
    found = measure_strength(sure_of(0.2, 0.999)[:3], TRUE[:3], MATRIX)
    assert 0.3 < found.strength < 0.6


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.001, 1), (0.1, 10), (0.25, 25)])
def test_a_share_is_held_out_by_seed(share, count):
    chosen = held_out(100, share, 3)
    assert chosen.sum() == count
    np.testing.assert_array_equal(chosen, held_out(100, share, 3))
    if count > 1:
        assert (chosen != held_out(100, share, 4)).any()


@pytest.mark.parametrize(("clean", "share"), [(0.03, 0.99), (0.001, 0.5)])
def test_ma_keeps_something_to_learn_from(clean, share):
    dataset, pretraining = {"synthetic_clean_fraction": clean}, {"held_out_clean": share}
    with pytest.raises(UserError, match=r"pretraining.held_out_clean: .* leaves none for Ma"):
        Experiment({"dataset": dataset, "pretraining": pretraining}).check_paths()


def test_a_weak_correction_believes_less_of_p_and_of_the_teacher():
    noise = {"rate": 0.4, "lower": 0.3, "upper": 0.48, "class_rates": [0.2, 0.6]}
    evidence = Evidence(noise, np.eye(2), strength=0.25)
    assert evidence.believed() == {"rate": 0.1, "upper": 0.12, "class_rates": [0.05, 0.15]}
    assert evidence.weaken(settings(soft_target_weight=0.5)).soft_target_weight == 0.125
    assert evidence.facts()["strength"] == 0.25


def test_only_ma_and_only_posteriors_are_asked_for_it():
    config = resolve({"pretraining": {"held_out_clean": 0.1}})
    settings_of = {name: each.settings(config, 0) for name, each in PRETRAININGS.items()}
    assert settings_of["pretrain_auxiliary"]["held_out"] == 0.1
    assert "held_out" not in settings_of["pretrain_primary"]
    files = Experiment({"pretraining": {"held_out_clean": 0.1}}).files
    assert files.strength("mct_paper", "seed0_ranks2") == []
    assert files.strength("mct", "seed0_ranks2")[0].endswith(
        "pretrain_auxiliary/seed0_ranks2/strength_counted.json"
    )
    assert Experiment({}).files.strength("mct", "seed0_ranks2") == []
