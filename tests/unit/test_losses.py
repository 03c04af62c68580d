"""Losses by hand: probabilities are quarters and halves, so that logarithms can be written down."""

from math import log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mct.calibration.targets import hard_target_loss, soft_target_loss, target_loss
from mct.labels.posterior import posterior
from mct.learning.losses import (
    backward_loss,
    confidence,
    cross_entropy,
    forward_loss,
    selected_mean,
    verification_loss,
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


@pytest.mark.parametrize("label", [0, 1])
def test_smoothed_labels_by_hand(label):
    losses = log(4), log(4 / 3)  # each class has 0.1 of the label's probability
    expected = 0.9 * losses[label] + 0.1 * losses[1 - label]
    assert cross_entropy(QUARTER, torch.tensor([label]), 0.2).tolist() == pytest.approx([expected])


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


@pytest.mark.parametrize("loss", [lambda s, t: soft_target_loss(s, t, 2.0), hard_target_loss])
def test_the_teacher_gets_no_gradient(loss):
    student, teacher = logits_of(0).requires_grad_(), logits_of(1).requires_grad_()
    loss(student, teacher).sum().backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0


CONFUSION = torch.tensor([[0.75, 0.25], [0.5, 0.5]], dtype=torch.float64)
"""A quarter of the first class is labelled as the second, half of the second as the first."""


@pytest.mark.parametrize(("label", "expected"), [(0, 9 / 16), (1, 7 / 16)])
def test_forward_correction_by_hand(label, expected):
    # p = (1/4, 3/4): p T = (1/4 3/4 + 3/4 1/2, 1/4 1/4 + 3/4 1/2).
    loss = forward_loss(QUARTER, torch.tensor([label]), CONFUSION)
    assert loss.tolist() == pytest.approx([-log(expected)])


@pytest.mark.parametrize(("label", "row"), [(0, (2, -1)), (1, (-2, 3))])
def test_backward_correction_by_hand(label, row):
    # T's determinant is 1/4, its inverse ((2, -1), (-2, 3)).
    loss = backward_loss(QUARTER, torch.tensor([label]), torch.linalg.inv(CONFUSION))
    assert loss.tolist() == pytest.approx([row[0] * log(4) + row[1] * log(4 / 3)])


def test_backward_correction_has_a_floor():
    """Without one the second class's probability would go to zero, since its entry is negative."""
    inverse, label = torch.linalg.inv(CONFUSION), torch.tensor([0])
    logits = torch.tensor([[1000.0, 0]], dtype=torch.float64).requires_grad_()
    loss = backward_loss(logits, label, inverse)
    assert loss.tolist() == pytest.approx([log(1e-7)])
    loss.sum().backward()
    assert not logits.grad.any()


@given(st.integers(0, 99))
def test_backward_correction_is_unbiased(seed):
    """Its mean over labels observed for a class is cross-entropy with that class."""
    confusion = torch.softmax(logits_of(seed, 4), dim=1) / 2 + torch.eye(4) / 2
    inverse, logits = torch.linalg.inv(confusion), logits_of(seed + 100, 1).expand(4, 4)
    for label in range(4):
        losses = backward_loss(logits, torch.arange(4), inverse)
        expected = cross_entropy(logits[:1], torch.tensor([label]))[0]
        torch.testing.assert_close((confusion[label] * losses).sum(), expected)


def test_without_confusion_both_corrections_are_cross_entropy():
    expected, identity = cross_entropy(logits_of(0), LABELS), torch.eye(4)
    torch.testing.assert_close(forward_loss(logits_of(0), LABELS, identity), expected)
    torch.testing.assert_close(backward_loss(logits_of(0), LABELS, identity), expected)


@pytest.mark.parametrize(("label", "expected"), [(0, (1 / 3, 2 / 3)), (1, (1 / 7, 6 / 7))])
def test_posterior_by_hand(label, expected):
    # t = (1/4, 3/4): t T[:, 0] = (3/16, 6/16), t T[:, 1] = (1/16, 6/16).
    teacher = QUARTER.clone().requires_grad_()
    own = posterior(teacher, torch.tensor([label]), CONFUSION)
    assert own[0].tolist() == pytest.approx(expected)
    assert not own.requires_grad


@given(st.integers(0, 99))
def test_forward_correction_learns_from_its_own_posterior(seed):
    """Its gradient is that of cross-entropy to q(y) of the model itself, an E-step of its own."""
    confusion = torch.softmax(logits_of(seed, 4), dim=1)
    one, other = (logits_of(seed + 100).requires_grad_() for _ in range(2))
    forward_loss(one, LABELS, confusion).sum().backward()
    target_loss(other, posterior(other, LABELS, confusion)).sum().backward()
    torch.testing.assert_close(one.grad, other.grad)


def test_a_certain_target_is_a_label():
    certain = torch.nn.functional.one_hot(LABELS, 4).double()
    torch.testing.assert_close(
        target_loss(logits_of(0), certain), cross_entropy(logits_of(0), LABELS)
    )


def test_verification_by_hand():
    cosine = torch.tensor([1.0, 0.25, -0.5, 0.5, 0.1, -0.5])
    verified = torch.tensor([True, True, True, False, False, False])
    expected = [0, 0.75, 1.5, 5 * 0.4, 0, 0]
    assert verification_loss(cosine, verified).tolist() == pytest.approx(expected)


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
    losses = cross_entropy(logits, labels) + soft_target_loss(logits, logits, 2.0)
    loss = selected_mean(losses, torch.zeros(0), global_count=3)
    loss.backward()
    assert loss == 0
    assert logits.grad.shape == (0, 4)
