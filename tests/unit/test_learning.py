"""Models that learn nothing: counted from the settings, and named in the plan."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mct.base.keys import parse
from mct.calibration import learned_samples
from mct.calibration.learned_samples import count_learned, plan_learned
from mct.calibration.settings import CalibrationSettings
from mct.calibration.targets import Lesson, Targets
from mct.experiment.cautions import confusion_cautions, learning_cautions
from mct.experiment.configuration import resolve
from mct.experiment.pair import CALIBRATIONS

CLASSES = 3


def settings_of(method: str = "mct_paper", **sections: object) -> CalibrationSettings:
    return parse(CalibrationSettings, CALIBRATIONS[method].settings(resolve(sections), 0))


def gradient(settings: CalibrationSettings, role: str, selected: int, clean: int) -> float:
    """Return the largest gradient of the logits of 4 noisy samples and `clean` ones."""
    logits = torch.randn(4 + clean, CLASSES, dtype=torch.float64, requires_grad=True)
    own = role == "auxiliary" and settings.teacher == "auxiliary"
    teacher = logits.detach()[:4] if own else torch.randn(4, CLASSES, dtype=torch.float64)
    lesson = Lesson(
        logits=logits, labels=torch.arange(4 + clean) % CLASSES, teacher=teacher,
        mask=torch.arange(4) < selected, known=torch.full((4,), -1), batch=4, selected=selected,
        clean=clean,
    )  # fmt: skip
    confusion = torch.full((CLASSES, CLASSES), 0.2, dtype=torch.float64) + 0.4 * torch.eye(CLASSES)
    is_taught = role == "primary" or settings.taught_models == "both"
    Targets(settings, is_taught=is_taught, confusion=confusion).loss(lesson)[0].backward()
    assert logits.grad is not None
    return float(logits.grad.abs().max())


FORMS = list(
    itertools.product(
        (0, 0.5, 1), ("soft", "hard", "posterior"), ("selected", "all"), ("primary", "both"),
        ("auxiliary", "pair"), (0, 2), (0, 1),
    )
)  # fmt: skip


@given(st.sampled_from(FORMS), st.sampled_from(["auxiliary", "primary"]))
def test_samples_are_counted_where_the_loss_has_a_gradient(form, role):
    weight, targets, samples, models, teacher, selected, clean = form
    settings = settings_of(
        calibration={
            "soft_target_weight": weight, "targets": targets, "taught_samples": samples,
            "taught_models": models, "teacher": teacher,
        }
    )  # fmt: skip
    count = count_learned(settings, role, batch=4, selected=selected, clean=clean)
    assert (count > 0) == (gradient(settings, role, selected, clean) > 1e-9)


@pytest.mark.parametrize(
    ("rate", "change", "expected"),
    [
        (0.4, {}, (True, True)),
        (0.4, {"optimizer": {"batch_size": 4}}, (False, True)),
        (1.0, {}, (False, False)),
        (0.4, {"optimizer": {"batch_size": 4}, "calibration": {"clean_per_batch_auxiliary": 1}},
         (True, True)),
    ],
)  # fmt: skip
def test_a_plan_says_which_model_will_learn(rate, change, expected):
    learned = plan_learned(settings_of(**change), 100, rate)
    assert tuple(count > 0 for count in learned.values()) == expected


def test_batches_of_an_epoch_are_counted_with_the_last_one(monkeypatch):
    counted = []
    monkeypatch.setattr(
        learned_samples,
        "count_learned",
        lambda *given, **sizes: counted.append(sizes) or sizes["batch"],
    )
    settings = settings_of(calibration={"epochs": 2}, optimizer={"batch_size": 32})
    assert learned_samples.plan_learned(settings, 1_000, 0.4) == {
        "auxiliary": 2_000,
        "primary": 2_000,
    }
    assert len(counted) == 2 * 2  # models and sizes of batches


def test_each_model_that_will_learn_nothing_is_a_warning():
    sizes = {"noisy": 100, "clean": 10}
    dataset = {"name": "digits", "noise_rate": 0.99}
    config = {"methods": ["mct", "mct_paper", "forward_finetuned"], "dataset": dataset}
    lines = learning_cautions(resolve(config), sizes)
    assert [line.partition(" is not trained")[0] for line in lines] == ["mct_paper: Ma"]
    assert "is selected (M = 0, Eq. 1)" in lines[0]
    config["baselines"] = {"loss_correction": {"finetuning_epochs": 0}}
    assert (
        "forward_finetuned: without fine-tuning epochs"
        in learning_cautions(resolve(config), sizes)[0]
    )
    assert not learning_cautions(resolve({}), sizes)


def test_the_fewest_ranks_have_the_smallest_batch():
    """A pair that learns on 8 ranks may have too few samples in a batch on 2."""
    sizes = {"noisy": 1000, "clean": 10}
    config = {"methods": ["mct_paper"], "optimizer": {"batch_per_rank": 4}}
    config["dataset"] = {"name": "digits", "noise_rate": 0.4}
    assert not learning_cautions(resolve({**config, "ranks": [8]}), sizes)
    (line,) = learning_cautions(resolve({**config, "ranks": [8, 2]}), sizes)
    assert "batch of 4 is selected" in line
    assert "raise optimizer.batch_per_rank or" in line


def test_a_share_of_too_small_a_batch_selects_nothing_for_ma():
    dataset = {"name": "digits", "noise_rate": 0.4}
    config = {"methods": ["mct_paper"], "dataset": dataset, "calibration": {"certain_batch": 2}}
    (line,) = learning_cautions(resolve(config), {"noisy": 1000, "clean": 10})
    assert "no sample of a batch of 2 is selected (M = 0, Eq. 1)" in line
    assert "raise calibration.certain_batch or calibration.clean_per_batch_auxiliary" in line


def test_a_confusion_that_few_clean_pictures_estimate_is_named():
    config = resolve({"methods": ["glc", "mct_paper", "mct"], "mct": {"confusion": "estimated"}})
    (line,) = confusion_cautions(config, 39, 4)
    assert line.startswith("mct: mct.confusion is `estimated` from 39 clean pictures of 4 classes;")
    assert confusion_cautions(config, 40, 4) == []
    assert confusion_cautions(resolve({"methods": ["mct"]}), 9, 4) == []
