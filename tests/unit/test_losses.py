"""Losses by hand: probabilities are quarters and halves, so that logarithms can be written down."""

from math import log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mct.losses import (
    confidence,
    cross_entropy,
    hard_target_loss,
    selected_mean,
    soft_target_loss,
    taught_loss,
)

QUARTER = torch.tensor([[0, log(3)]], dtype=torch.float64)
"""Logits of the probabilities 1/4 and 3/4."""
EVEN = torch.zeros(1, 2, dtype=torch.float64)
TEMPERATURES = st.floats(0.5, 10)


def logits_of(seed: int, samples: int = 6, classes: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(samples, classes, generator=generator, dtype=torch.float64)


LABELS = torch.tensor([0, 1, 2, 3, 0, 1])


@pytest.mark.parametrize(("label", "expected"), [(0, log(4)), (1, log(4 / 3))])
def test_cross_entropy_by_hand(label, expected):
    assert cross_entropy(QUARTER, torch.tensor([label])).tolist() == pytest.approx([expected])


@pytest.mark.parametrize(("label", "expected"), [(0, 0.25), (1, 0.75)])
def test_confidence_by_hand_has_no_gradient(label, expected):
    own = confidence(QUARTER.clone().requires_grad_(), torch.tensor([label]))
    assert own.tolist() == pytest.approx([expected])
    assert not own.requires_grad


def test_soft_targets_by_hand():
    # At tau = 2 the student's logits 2 log 3 are log 3: KL(1/2, 1/2 || 1/4, 3/4) = log(4/3) / 2 nats.
    loss = soft_target_loss(2 * QUARTER, EVEN, temperature=2)
    assert loss.tolist() == pytest.approx([2**2 * 0.5 * log(4 / 3)])


def test_soft_targets_weigh_by_the_teacher_not_by_the_student():
    # KL(1/4, 3/4 || 1/2, 1/2), the other way round.
    expected = 0.25 * log(1 / 2) + 0.75 * log(3 / 2)
    assert soft_target_loss(EVEN, QUARTER, 1).tolist() == pytest.approx([expected])


@given(st.integers(0, 99), TEMPERATURES)
def test_a_teacher_teaches_nothing_to_its_equal_and_something_to_others(seed, temperature):
    logits = logits_of(seed)
    own = soft_target_loss(logits, logits + 7, temperature)  # a shift leaves a softmax unchanged
    assert own.abs().max() < 1e-9
    assert (soft_target_loss(logits, logits_of(seed + 1), temperature) > 0).all()


@given(st.integers(0, 99))
def test_a_soft_target_at_temperature_one_is_cross_entropy_up_to_the_teachers_entropy(seed):
    student, teacher = logits_of(seed), logits_of(seed + 100)
    probability = teacher.softmax(dim=1)
    entropy = -(probability * probability.log()).sum(dim=1)
    expected = -(probability * student.log_softmax(dim=1)).sum(dim=1) - entropy
    torch.testing.assert_close(soft_target_loss(student, teacher, 1), expected)


def test_a_hard_target_is_the_teachers_decision():
    student, teacher = logits_of(0), logits_of(1)
    expected = cross_entropy(student, teacher.argmax(dim=1))
    torch.testing.assert_close(hard_target_loss(student, teacher), expected)
    assert hard_target_loss(QUARTER, -QUARTER).tolist() == pytest.approx([log(4)])


@pytest.mark.parametrize("targets", ["soft", "hard"])
def test_weight_zero_teaches_nothing_and_one_only_what_the_teacher_says(targets):
    student, teacher = logits_of(0), logits_of(1)
    taught = {
        "soft": soft_target_loss(student, teacher, 2),
        "hard": hard_target_loss(student, teacher),
    }
    options = {"temperature": 2.0, "targets": targets}
    observed = cross_entropy(student, LABELS)
    torch.testing.assert_close(
        taught_loss(student, teacher, LABELS, weight=0.0, **options), observed
    )
    torch.testing.assert_close(
        taught_loss(student, teacher, LABELS, weight=1.0, **options), taught[targets]
    )
    torch.testing.assert_close(
        taught_loss(student, teacher, LABELS, weight=0.25, **options),
        0.75 * observed + 0.25 * taught[targets],
    )


@pytest.mark.parametrize("targets", ["soft", "hard"])
def test_the_teacher_gets_no_gradient(targets):
    student, teacher = logits_of(0).requires_grad_(), logits_of(1).requires_grad_()
    loss = taught_loss(student, teacher, LABELS, weight=0.5, temperature=2.0, targets=targets)
    loss.sum().backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0


@given(st.integers(0, 99), st.lists(st.booleans(), min_size=6, max_size=6))
def test_masked_loss_and_its_gradient_are_those_of_the_subset(seed, chosen):
    mask = torch.tensor(chosen)
    whole, part = logits_of(seed).requires_grad_(), logits_of(seed)[mask].requires_grad_()
    count = int(mask.sum())
    masked = selected_mean(cross_entropy(whole, LABELS), mask, count)
    masked.backward()
    assert whole.grad[~mask].abs().sum() == 0
    if count:
        subset = cross_entropy(part, LABELS[mask]).mean()
        subset.backward()
        torch.testing.assert_close(masked, subset)
        torch.testing.assert_close(whole.grad[mask], part.grad)
    else:
        assert masked == 0


@given(st.integers(0, 6), st.lists(st.booleans(), min_size=6, max_size=6).filter(any))
def test_shares_of_ranks_add_up_to_the_mean_however_samples_are_spread(cut, chosen):
    loss, mask = cross_entropy(logits_of(0), LABELS), torch.tensor(chosen)
    count = int(mask.sum())
    shares = [
        selected_mean(loss[part], mask[part], count) for part in (slice(cut), slice(cut, None))
    ]
    torch.testing.assert_close(sum(shares), loss[mask].mean())


def test_a_rank_without_samples_has_a_zero_with_a_gradient():
    logits = torch.zeros(0, 4, requires_grad=True)
    labels = torch.zeros(0, dtype=torch.int64)
    losses = taught_loss(logits, logits, labels, weight=0.5, temperature=2.0, targets="soft")
    loss = selected_mean(losses, torch.zeros(0), global_count=3)
    loss.backward()
    assert loss == 0
    assert logits.grad.shape == (0, 4)
