"""What a model of the pair learns in a step: identities between forms of the loss."""

import pytest
import torch
from msgspec.structs import replace
from test_coupling import settings

from mct.calibration.targets import Lesson, Targets, hard_target_loss, soft_target_loss, target_loss
from mct.calibration.teachers import log_mean
from mct.labels.posterior import posterior
from mct.learning.losses import cross_entropy, selected_mean

BLOCK, CLEAN, CLASSES = 5, 2, 3
GENERATOR = torch.Generator().manual_seed(0)
LOGITS, TEACHER = (
    2 * torch.randn(count, CLASSES, generator=GENERATOR, dtype=torch.float64)
    for count in (BLOCK + CLEAN, BLOCK)
)
LABELS = torch.tensor([0, 1, 2, 0, 1, 2, 2])
MASK = torch.tensor([True, False, True, True, False])
CONFUSION = torch.tensor([[0.75, 0.25, 0], [0.125, 0.75, 0.125], [0.25, 0, 0.75]])
NOTHING = torch.full((BLOCK,), -1)


def lesson(clean: int = CLEAN, **changes: object) -> Lesson:
    values = {
        "logits": LOGITS[: BLOCK + clean], "labels": LABELS[: BLOCK + clean], "teacher": TEACHER,
        "mask": MASK, "known": NOTHING, "batch": BLOCK, "selected": int(MASK.sum()),
        "clean": clean,
    }  # fmt: skip
    return Lesson(**{**values, **changes})


def loss_of(a_lesson: Lesson, *, is_taught: bool = True, **changes: object) -> torch.Tensor:
    targets = Targets(settings(**changes), is_taught=is_taught, confusion=CONFUSION)
    return targets.loss(a_lesson)[0]


PLAIN = cross_entropy(LOGITS, LABELS)
TAUGHT = {
    "soft": soft_target_loss(LOGITS[:BLOCK], TEACHER, 2.0),
    "hard": hard_target_loss(LOGITS[:BLOCK], TEACHER),
    "posterior": 4
    * target_loss(LOGITS[:BLOCK] / 2, posterior(TEACHER / 2, LABELS[:BLOCK], CONFUSION)),
}
"""At temperature 2."""


@pytest.mark.parametrize("kind", TAUGHT)
def test_the_papers_loss_is_a_mean_over_selected_samples(kind):
    weight = 0.25
    mixed = (1 - weight) * PLAIN[:BLOCK] + weight * TAUGHT[kind]
    loss = loss_of(lesson(clean=0), targets=kind, soft_target_weight=weight)
    torch.testing.assert_close(loss, mixed[MASK].mean())
    assert torch.equal(loss, selected_mean(mixed, MASK, 3))


@pytest.mark.parametrize("kind", TAUGHT)
def test_labels_are_smoothed_and_what_a_teacher_teaches_is_not(kind):
    smooth = cross_entropy(LOGITS, LABELS, 0.2)
    mixed = 0.5 * smooth[:BLOCK] + 0.5 * TAUGHT[kind]
    chosen = torch.cat([mixed[MASK], smooth[BLOCK:]])
    optimizer = replace(settings().optimizer, label_smoothing=0.2)
    loss = loss_of(lesson(), targets=kind, soft_target_weight=0.5, optimizer=optimizer)
    torch.testing.assert_close(loss, chosen.mean())


@pytest.mark.parametrize("clean", [0, CLEAN])
def test_without_a_teacher_labels_of_selected_and_clean_samples_count_alike(clean):
    chosen = torch.cat([PLAIN[:BLOCK][MASK], PLAIN[BLOCK : BLOCK + clean]])
    torch.testing.assert_close(loss_of(lesson(clean), is_taught=False), chosen.mean())
    torch.testing.assert_close(loss_of(lesson(clean), soft_target_weight=0.0), chosen.mean())


@pytest.mark.parametrize("kind", TAUGHT)
def test_all_samples_can_be_taught_and_only_selected_ones_labelled(kind):
    labelled = torch.cat([PLAIN[:BLOCK][MASK], PLAIN[BLOCK:]]).mean()
    everyone = torch.cat([TAUGHT[kind], PLAIN[BLOCK:]]).mean()
    loss = loss_of(lesson(), targets=kind, soft_target_weight=0.25, taught_samples="all")
    torch.testing.assert_close(loss, 0.75 * labelled + 0.25 * everyone)


def test_what_is_known_is_not_inferred():
    known = torch.tensor([-1, 2, -1, -1, 0])
    options = {"targets": "posterior", "soft_target_weight": 1.0, "taught_samples": "all"}
    expected = TAUGHT["posterior"].clone()
    expected[1], expected[4] = (4 * cross_entropy(LOGITS[[1, 4]] / 2, known[[1, 4]]))[[0, 1]]
    torch.testing.assert_close(loss_of(lesson(0, known=known), **options), expected.mean())


def test_at_temperature_1_a_posterior_is_taught_as_it_is():
    options = {"targets": "posterior", "soft_target_weight": 1.0, "taught_samples": "all"}
    inferred = posterior(TEACHER, LABELS[:BLOCK], CONFUSION)
    loss = loss_of(lesson(0), temperature=1.0, **options)
    assert torch.equal(loss, target_loss(LOGITS[:BLOCK], inferred).sum() / BLOCK)


@pytest.mark.parametrize("samples", ["selected", "all"])
@pytest.mark.parametrize("cut", [0, 2, 5])
def test_shares_of_ranks_add_up(samples, cut):
    options = {"targets": "posterior", "taught_samples": samples}
    none = slice(0, 0)

    def part(block: slice, clean: slice) -> Lesson:
        logits, labels = (torch.cat([x[:BLOCK][block], x[BLOCK:][clean]]) for x in (LOGITS, LABELS))
        own = {"mask": MASK[block], "teacher": TEACHER[block], "known": NOTHING[block]}
        return lesson(logits=logits, labels=labels, **own)

    shares = loss_of(part(slice(cut), none), **options)
    shares = shares + loss_of(part(slice(cut, BLOCK), slice(CLEAN)), **options)
    torch.testing.assert_close(shares, loss_of(lesson(), **options))


def test_there_is_nothing_to_learn_without_selected_clean_or_taught_samples():
    nobody = {"mask": torch.zeros(BLOCK, dtype=torch.bool), "selected": 0}
    for taught, clean, count in (("selected", 0, 0), ("selected", 2, 2), ("all", 0, BLOCK)):
        targets = Targets(settings(taught_samples=taught), is_taught=True, confusion=None)
        assert targets.loss(lesson(clean, **nobody))[1] == count


def test_the_mean_prediction_of_a_pair_stays_finite():
    both = torch.tensor([[[1.0, 0.0]], [[0.5, 0.0]]])
    mean = log_mean(both)
    assert mean.exp()[0, 0] == pytest.approx(0.75)
    assert torch.isfinite(mean).all()
