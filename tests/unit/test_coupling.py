"""The decision on a batch and the records of calibration, without messages."""

from dataclasses import asdict

import numpy as np
import pytest
import torch
from samples import pixel_set

from mct.base.partition import GlobalBatch
from mct.base.roles import Role
from mct.calibration.coupling import Coupling, part_of
from mct.calibration.decisions import Decision, SampleRecord, Selector
from mct.calibration.plan import plan_calibration
from mct.calibration.settings import CalibrationSettings
from mct.data.loading import Batch
from mct.data.settings import ImageSettings
from mct.labels.noise import count_rate
from mct.labels.selection import cut_batch, select_within
from mct.learning.settings import ModelSettings, OptimizerSettings

SAMPLES, PAIRS = 12, 2
OBSERVED = np.array([0, 1, 2] * 4)
NOISE = {"rate": 0.4, "upper": 0.5, "class_rates": [0.2, 0.4, 0.6]}
CONFIDENCE = np.random.default_rng(0).random((2, SAMPLES)).astype(np.float32)
POSITIONS = np.random.default_rng(1).permutation(SAMPLES)


def settings(**changes: object) -> CalibrationSettings:
    values = {
        "images": ImageSettings(size=8, augmentation="none", mean=(0.5,) * 3, std=(0.25,) * 3),
        "model": ModelSettings(name="small_cnn", initial_weights=None, precision="float32"),
        "optimizer": OptimizerSettings(momentum=0.9, nesterov=True, weight_decay=0, batch_size=5),
        "epochs": 2, "learning_rate": 0.1, "schedule": "linear", "soft_target_weight": 0.5,
        "temperature": 2.0, "targets": "soft", "selection": "global", "selector": "pair", "seed": 0,
    }  # fmt: skip
    return CalibrationSettings(**{**values, **changes})


def decide(**changes: object) -> np.ndarray:
    """Return the masks of one global batch of all samples, in the order of `POSITIONS`."""
    batch = Batch(
        plan=GlobalBatch(step=0, epoch=0, start=0, stop=SAMPLES), positions=POSITIONS,
        block=slice(0), images=torch.zeros(0), labels=torch.zeros(0),
    )  # fmt: skip
    return Selector(settings(**changes), NOISE, OBSERVED, PAIRS).decide(CONFIDENCE, batch).masks


@pytest.mark.parametrize(
    ("selector", "ranked"),
    [("pair", CONFIDENCE.mean(axis=0)), ("auxiliary", CONFIDENCE[0]), ("primary", CONFIDENCE[1])],
)
def test_the_selector_says_whose_confidences_rank_the_batch(selector, ranked):
    expected = select_within(ranked, np.zeros(SAMPLES, int), [0.4], [0.4])
    np.testing.assert_array_equal(decide(selector=selector), expected)


def test_per_rank_ranks_the_blocks_of_the_batch():
    mean = CONFIDENCE.mean(axis=0)
    expected = select_within(mean, np.repeat([0, 1], SAMPLES // 2), [0.4] * 2, [0.4] * 2)
    np.testing.assert_array_equal(decide(selection="per_rank"), expected)


def test_per_class_ranks_within_observed_classes_at_their_own_rates():
    mean, rates = CONFIDENCE.mean(axis=0), NOISE["class_rates"]
    expected = select_within(mean, OBSERVED[POSITIONS], rates, rates)
    np.testing.assert_array_equal(decide(selection="per_class"), expected)
    expected = select_within(mean, OBSERVED[POSITIONS], rates, [0.3, 0.5, 0.7])
    masks = decide(selection="per_class", certain_at="upper")
    np.testing.assert_array_equal(masks, expected)


def test_a_class_floor_keeps_half_of_each_class_and_ranks_the_rest_together():
    mean, rates, classes = CONFIDENCE.mean(axis=0), NOISE["class_rates"], OBSERVED[POSITIONS]
    masks = decide(selection="class_floor")
    np.testing.assert_array_equal(masks, select_within(mean, classes, rates, rates, own_share=0.5))
    own = decide(selection="per_class")
    assert list(masks.sum(axis=1)) == list(own.sum(axis=1))
    for chosen, within in zip(masks, own, strict=True):
        floor = np.bincount(classes[within], minlength=3) // 2
        assert (np.bincount(classes[chosen], minlength=3) >= floor).all()


@pytest.mark.parametrize(("certain_at", "bound"), [("rate", 0.4), ("upper", 0.5)])
def test_eq_1_takes_p_or_the_upper_end_of_its_interval(certain_at, bound):
    masks = decide(certain_at=certain_at)
    assert list(masks.sum(axis=1)) == list(cut_batch(SAMPLES, 0.4, bound))


def test_ma_keeps_the_share_of_a_batch_of_that_size():
    masks = decide(certain_batch=8)
    assert list(masks.sum(axis=1)) == list(cut_batch(SAMPLES, 0.4, certain_batch=8))
    assert masks[0].sum() != decide()[0].sum()


def test_classes_share_the_batchs_m_at_a_counted_rate():
    """Whatever the bounds of the classes themselves, which few pictures make wide."""
    observed = np.arange(1000) % 10
    noise = asdict(count_rate(observed, np.arange(1000) // 10 % 8 < 3, classes=10))
    batch = Batch(
        plan=GlobalBatch(step=0, epoch=0, start=0, stop=250), positions=np.arange(250),
        block=slice(0), images=torch.zeros(0), labels=torch.zeros(0),
    )  # fmt: skip
    both = np.random.default_rng(0).random((2, 250)).astype(np.float32)
    counts = [
        Selector(settings(selection=kind, certain_at="upper"), noise, observed, 1)
        .decide(both, batch)
        .masks.sum(axis=1)
        for kind in ("global", "per_class")
    ]
    np.testing.assert_array_equal(counts[0], cut_batch(250, noise["rate"], noise["upper"]))
    np.testing.assert_array_equal(*counts)


def test_no_class_has_a_bound_of_its_noise_rate_beyond_one():
    observed = np.arange(249) % 3
    noise = {"rate": 0.4, "upper": 0.6, "class_rates": [0.95, 0.0, 0.0]}
    batch = Batch(
        plan=GlobalBatch(step=0, epoch=0, start=0, stop=249), positions=np.arange(249),
        block=slice(0), images=torch.zeros(0), labels=torch.zeros(0),
    )  # fmt: skip
    both = np.random.default_rng(0).random((2, 249)).astype(np.float32)
    by_class = settings(selection="per_class", certain_at="upper")
    masks = Selector(by_class, noise, observed, 1).decide(both, batch).masks
    expected = select_within(both.mean(axis=0), observed, noise["class_rates"], [1.0, 0.2, 0.2])
    np.testing.assert_array_equal(masks, expected)
    beyond = select_within(both.mean(axis=0), observed, noise["class_rates"], [1.15, 0.2, 0.2])
    assert masks[0].sum() > beyond[0].sum()


def test_a_record_keeps_decisions_by_position_and_epoch():
    record = SampleRecord(epochs=2, samples=SAMPLES)
    masks = CONFIDENCE > 0.5
    plan = GlobalBatch(step=3, epoch=1, start=0, stop=SAMPLES)
    record.add(plan, POSITIONS[:5], Decision(confidence=CONFIDENCE[:, :5], masks=masks[:, :5]))
    np.testing.assert_array_equal(record.confidence[1, POSITIONS[:5]], CONFIDENCE[:, :5].T)
    np.testing.assert_array_equal(record.selected[1, POSITIONS[:5]], masks[:, :5].T)
    assert np.isnan(record.confidence[0]).all()
    assert np.isnan(record.confidence[1, POSITIONS[5:]]).all()
    assert not record.selected[1, POSITIONS[5:]].any()


def test_a_record_counts_selections_of_each_class_in_each_epoch():
    image_set = pixel_set(SAMPLES)
    record = SampleRecord(epochs=2, samples=SAMPLES)
    record.selected[1, 2, 0] = record.selected[1, 5, 0] = record.selected[:, 7, 1] = True
    expected = np.zeros((2, 2, image_set.classes))
    expected[1, 0, image_set.observed[[2, 5]]] = 1 + (len({*image_set.observed[[2, 5]]}) == 1)
    expected[:, 1, image_set.observed[7]] = 1
    np.testing.assert_array_equal(record.selected_by_class(image_set), expected)
    nothing = SampleRecord(epochs=0, samples=0).selected_by_class(image_set)
    assert nothing.shape == (0, 2, image_set.classes)


def test_a_calibration_passes_over_the_set_as_often_as_it_has_epochs():
    plan = plan_calibration(settings(epochs=3), set_size=len(pixel_set(7)))
    assert sum(batch.size for batch in plan.batches()) == 21
    assert [batch.size for batch in plan.batches()] == [5, 2] * 3
    assert plan.rate(next(plan.batches())) == 0.1


@pytest.mark.parametrize("role", Role)
def test_a_model_that_diverged_leaves_the_others_figures_alone(role):
    parts = part_of(role, float("nan")) + part_of(role.partner, 3)
    assert np.isnan(parts[role.place])
    assert parts[role.partner.place] == 3


def test_figures_of_an_epoch_by_hand():
    sums = {
        "agreed": np.array(15.0), "samples": np.array(20.0), "loss": np.array([6.0, 12.0]),
        "learned": np.array([6.0, 12.0]),
        "selected": np.array([6.0, 12.0]), "measurable": np.array([4.0, 0.0]),
        "pure": np.array([3.0, 0.0]),
    }  # fmt: skip
    figures = Coupling.summarise(sums)
    assert np.isnan(figures.pop("purity_primary"))
    assert figures == {
        "agreement": 0.75, "loss_auxiliary": 1.0, "loss_primary": 1.0,
        "selected_auxiliary": 0.3, "selected_primary": 0.6, "purity_auxiliary": 0.75,
    }  # fmt: skip
