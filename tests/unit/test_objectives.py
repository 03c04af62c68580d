"""What a model alone minimises: weights and verified labels, on one rank."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mpi4py import MPI
from samples import pixel_set

from mct.base.files import write_arrays
from mct.base.partition import GlobalBatch
from mct.data.clean_batches import CleanBatch, Samples
from mct.data.loading import Batch
from mct.learning.losses import cross_entropy, forward_loss
from mct.learning.objectives import (
    Objective,
    easiest_examples,
    equal_weights,
    given_weights,
    read_label_weights,
    read_targets,
)

POSITIONS = np.array([4, 0, 3, 1])
LABELS = torch.tensor([0, 1, 1, 2, 0, 2])
LOGITS = 2 * torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
"""Of a batch of four and two clean samples."""
NOBODY = np.zeros(5, bool)
CLEAN = CleanBatch(images=torch.zeros(2, 3, 8, 8), labels=LABELS[4:], count=2)


NONE = CleanBatch(images=torch.zeros(0), labels=LABELS[:0], count=0)


def samples(clean: CleanBatch = CLEAN, **part: int) -> Samples:
    """Return a part of a global batch of four, and clean samples."""
    return Samples(noisy=batch(**part), clean=clean)


def batch(epoch: int = 0, start: int = 0, stop: int = 4) -> Batch:
    """Return the part `start` to `stop` of a global batch of four."""
    return Batch(
        plan=GlobalBatch(step=0, epoch=epoch, start=0, stop=4), positions=POSITIONS,
        block=slice(start, stop), images=torch.zeros(0), labels=LABELS[start:stop],
    )  # fmt: skip


def test_equal_weights_are_the_mean_over_noisy_and_clean_samples():
    objective = Objective(cross_entropy, equal_weights, NOBODY)
    expected = cross_entropy(LOGITS, LABELS).mean()
    torch.testing.assert_close(objective(LOGITS, LABELS, samples()), expected)


def test_smoothing_leaves_a_corrected_loss_as_it_is():
    """At place 1 of the batch is a verified label; the last two samples are clean."""
    trusted = np.array([True, False, False, False, False])
    loss = Objective(lambda logits, labels: 7 + 0 * logits[:, 0], equal_weights, trusted, 0.3)
    smooth = cross_entropy(LOGITS, LABELS, 0.3)
    expected = (3 * 7 + smooth[1] + smooth[4] + smooth[5]) / 6
    torch.testing.assert_close(loss(LOGITS, LABELS, samples()), expected)
    plain = Objective(cross_entropy, equal_weights, NOBODY, 0.3)
    torch.testing.assert_close(plain(LOGITS, LABELS, samples()), smooth.mean())


def test_verified_labels_have_cross_entropy_and_the_others_the_correction():
    confusion = torch.full((3, 3), 0.25, dtype=torch.float64) + torch.eye(3) / 4

    def correct(logits, labels):
        return forward_loss(logits, labels, confusion)

    trusted = np.array([True, False, False, False, False])  # at place 1 of the batch
    own = correct(LOGITS, LABELS)
    plain = cross_entropy(LOGITS, LABELS)
    expected = torch.cat([own[:1], plain[1:2], own[2:4], plain[4:]]).mean()
    loss = Objective(correct, equal_weights, trusted)(LOGITS, LABELS, samples())
    torch.testing.assert_close(loss, expected)


def test_given_weights_are_looked_up_by_position_and_divided_by_their_sum():
    weights = np.array([0.5, 0.25, 9, 0, 1], np.float32)
    objective = Objective(cross_entropy, given_weights(weights), NOBODY)
    own = torch.tensor([1, 0.5, 0, 0.25, 1, 1], dtype=torch.float64)
    expected = (own * cross_entropy(LOGITS, LABELS)).sum() / 3.75
    torch.testing.assert_close(objective(LOGITS, LABELS, samples()), expected)


@pytest.mark.parametrize("cut", [0, 1, 4])
def test_shares_of_blocks_add_up(cut):
    weights = given_weights(np.array([0.5, 0.25, 9, 0, 1], np.float32))
    objective = Objective(cross_entropy, weights, NOBODY)
    none = CleanBatch(images=torch.zeros(0), labels=LABELS[:0], count=2)
    last = torch.cat([torch.arange(cut, 4), torch.tensor([4, 5])])
    shares = objective(LOGITS[:cut], LABELS[:cut], samples(none, stop=cut))
    shares = shares + objective(LOGITS[last], LABELS[last], samples(start=cut))
    torch.testing.assert_close(shares, objective(LOGITS, LABELS, samples()))


def test_a_batch_without_weight_gives_a_zero():
    objective = Objective(cross_entropy, given_weights(np.zeros(5, np.float32)), NOBODY)
    assert objective(LOGITS[:4], LABELS[:4], samples(NONE)) == 0


def test_easiest_examples_are_the_most_confident_ones_after_the_constant_rate():
    """N of four samples at P = .5 is two; the set has five, of which six were seen in epoch 1."""
    easiest = easiest_examples(MPI.COMM_SELF, 0.5, set_size=5, samples_before=5)
    logits, labels = LOGITS[:4], LABELS[:4]
    assert easiest(logits, labels, batch(epoch=0))[0].tolist() == [1, 1, 1, 1]
    mask, count = easiest(logits, labels, batch(epoch=1))
    own = torch.softmax(logits, dim=1)[torch.arange(4), labels]
    assert count == mask.sum() == 2
    assert own[mask > 0].min() > own[mask == 0].max()


def test_weights_of_labels_are_found_by_sample_and_are_one_where_verified(tmp_path: Path):
    image_set = pixel_set(4)  # samples 1, 4, 7, 10
    image_set.in_clean[2] = True
    arrays = {"sample": np.array([1, 4, 10, 12]), "weight": np.array([0.1, 0.2, 0.3, 0.4])}
    write_arrays(tmp_path / "weights.h5", arrays, {})
    weights = read_label_weights(tmp_path / "weights.h5", image_set)
    np.testing.assert_array_equal(weights, [0.1, 0.2, 1, 0.3])


def test_targets_take_the_place_of_labels():
    """One-hot targets are labels, and even ones the entropy of a guess; clean samples keep theirs."""
    targets = np.zeros((5, 3), np.float16)
    targets[POSITIONS] = np.eye(3)[LABELS[:4]]
    plain = Objective(cross_entropy, equal_weights, NOBODY)(LOGITS, LABELS, samples())
    wrong = torch.cat([2 - LABELS[:4], LABELS[4:]])
    soft = Objective(cross_entropy, equal_weights, NOBODY, targets=targets)
    torch.testing.assert_close(soft(LOGITS, wrong, samples()), plain)
    part = soft(LOGITS[1:3], wrong[1:3], samples(NONE, start=1, stop=3))
    torch.testing.assert_close(part, cross_entropy(LOGITS, LABELS)[1:3].sum() / 4)


def test_targets_are_read_for_the_samples_of_a_set(tmp_path):
    image_set = pixel_set(4)  # samples 1, 4, 7, 10
    probability = np.arange(36, dtype=np.float16).reshape(12, 3)
    write_arrays(tmp_path / "targets.h5", {"sample": np.arange(12), "probability": probability}, {})
    found = read_targets(tmp_path / "targets.h5", image_set)
    np.testing.assert_array_equal(found, probability[[1, 4, 7, 10]])
