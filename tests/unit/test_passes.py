"""Several passes of a rank for one update: index arithmetic, gradients that add up, what is refused."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mpi4py import MPI
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from mct.base.errors import UserError
from mct.base.partition import Share, block, block_lengths, consecutive
from mct.cluster import demands
from mct.data.settings import ImageSettings
from mct.experiment.combinations import check_local_steps, check_passes
from mct.learning.learner import Learner
from mct.learning.models import build_model
from mct.learning.settings import ModelSettings, OptimizerSettings
from mct.parallel.gradients import GradientSum
from mct.parallel.transport import Transport
from mct.stage.compute import Compute
from mct.stage.settings import ExecutionSettings

SIZE, CLASSES = 40, 4
IMAGES = ImageSettings(size=SIZE, augmentation="none", mean=(0.5,) * 3, std=(0.25,) * 3)
ROWS = [(slice(0, 2), slice(5, 6)), (slice(2, 4), slice(6, 6)), (slice(4, 5), slice(6, 7))]
"""Three passes over five noisy samples and two clean ones."""
LABELS = torch.tensor([0, 1, 2, 3, 0, 1, 2])
COUNTS, PARTS, PASSES = st.integers(0, 3000), st.integers(1, 40), st.integers(1, 16)


def test_a_rank_with_two_passes_has_the_blocks_of_two_ranks():
    """Ten samples are blocks of 3, 3, 2 and 2."""
    shares = [Share(ranks=2, rank=rank, passes=2) for rank in (0, 1)]
    assert [share.block(10) for share in shares] == [slice(0, 6), slice(6, 10)]
    assert [share.rows(10) for share in shares] == [
        (slice(0, 3), slice(3, 6)), (slice(0, 2), slice(2, 4)),
    ]  # fmt: skip
    assert block_lengths(10, 2, passes=2) == [6, 4]
    assert block_lengths(10, 2) == [5, 5]


@given(COUNTS, PARTS, PASSES)
def test_passes_are_the_blocks_of_as_many_ranks(count, ranks, passes):
    found = []
    for rank in range(ranks):
        share = Share(ranks=ranks, rank=rank, passes=passes)
        own = share.block(count)
        assert own.stop - own.start == block_lengths(count, ranks, passes)[rank]
        found += [(own.start + rows.start, own.start + rows.stop) for rows in share.rows(count)]
    assert found == [block(count, ranks * passes, part) for part in range(ranks * passes)]


def test_consecutive_slices_by_hand():
    assert consecutive([2, 0, 3]) == (slice(0, 2), slice(2, 2), slice(2, 5))


class Noting:
    """A sum over one rank that notes when it starts."""

    def __init__(self, events: list[str]) -> None:
        self._events = events

    def start(self) -> None:
        self._events.append("start")

    def progress(self) -> None:
        """Do nothing."""

    finish = progress


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_gradients_of_passes_add_up_and_travel_in_the_last_one(dtype):
    """With a copy of lower precision in the place of a parameter, and without."""
    events: list[str] = []
    weight = nn.Parameter(torch.ones(3, dtype=torch.float64))
    leaf = weight if dtype == torch.float64 else nn.Parameter(torch.ones(3, dtype=dtype))
    transport = Transport("noting", lambda values, place: Noting(events))
    gradients = GradientSum([weight], transport, 100, {weight: leaf})
    for _ in range(2):  # steps: the one before is forgotten
        events.clear()
        gradients.begin(is_last=False)
        for factor in (1.0, 2.0):
            (leaf * factor).sum().backward()
            assert not events
        gradients.expect_last()
        (leaf * 4).sum().backward()
        assert events == ["start"]
        gradients.finish()
        assert events == ["start"]
        assert torch.equal(weight.grad, torch.full((3,), 7.0, dtype=torch.float64))
        assert weight.grad.data_ptr() == gradients.buckets[0].gradients.data_ptr()


def make_learner(accumulation: int, dtype=torch.float64, trainable="all") -> Learner:
    settings = ModelSettings(name="resnet18", trainable=trainable, precision="float64")
    optimizer = OptimizerSettings(
        batch_size=7, accumulation=accumulation, norm_statistics="stored", weight_decay=0
    )
    return Learner(
        build_model(settings, CLASSES, SIZE, seed=0), images=IMAGES, comm=MPI.COMM_SELF,
        compute=Compute(device=torch.device("cpu"), dtype=dtype), optimizer=optimizer,
        execution=ExecutionSettings(),
    )  # fmt: skip


def pictures() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (7, 3, SIZE, SIZE), generator=generator, dtype=torch.uint8)


def loss_of(logits: Tensor, mask: Tensor) -> Tensor:
    return (cross_entropy(logits, LABELS, reduction="none") * mask).sum() / mask.sum()


def gradients_of(learner: Learner, mask: Tensor, passes: list) -> list[Tensor]:
    learner.differentiate(loss_of(learner.forward(pictures(), key=0, passes=passes), mask))
    return [p.grad.clone() for p in learner.model.parameters() if p.requires_grad]


@pytest.mark.parametrize(
    ("mask", "trainable"),
    [([1] * 7, "all"), ([1, 0, 0, 0, 0, 0, 1], 1), ([0, 0, 1, 1, 0, 0, 0], "classifier")],
)
def test_passes_have_the_gradients_of_the_whole_batch(mask, trainable):
    """Of all samples, of some of each pass, of one pass alone; whatever is frozen."""
    chosen = torch.tensor(mask).double()
    whole = gradients_of(make_learner(1, trainable=trainable), chosen, [])
    parts = gradients_of(make_learner(3, trainable=trainable), chosen, ROWS)
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-9, atol=1e-12)


def count_forwards(learner: Learner) -> Callable[[], int]:
    """Return what counts the forward passes so far that keep a graph."""
    graphs = []
    hook = learner.model.fc.register_forward_hook(lambda *_: graphs.append(torch.is_grad_enabled()))
    assert hook
    return lambda: sum(graphs)


def test_a_pass_that_nothing_was_selected_of_does_not_run_again():
    learner = make_learner(3)
    counted = count_forwards(learner)
    gradients_of(learner, torch.tensor([1, 0, 0, 0, 0, 1, 1]).double(), ROWS)
    assert counted() == 2


def test_a_skipped_step_is_forgotten():
    learner = make_learner(3)
    learner.forward(pictures(), key=0, passes=ROWS)
    learner.skip()
    counted = count_forwards(learner)
    gradients_of(learner, torch.ones(7).double(), ROWS)
    assert counted() == 3


def vector(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_copies_in_bfloat16_learn_in_passes_too():
    results = []
    for passes in ([], ROWS):
        learner = make_learner(len(passes) or 1, torch.bfloat16)
        before = vector(learner.model)
        logits = learner.forward(pictures(), key=0, passes=passes)
        learner.update(loss_of(logits, torch.ones(7)), 0.01)
        results.append(vector(learner.model) - before)
    whole, parts = results
    assert torch.nn.functional.cosine_similarity(whole, parts, dim=0) > 0.99


def test_predictions_are_made_with_the_memory_of_a_pass():
    learner, sizes = make_learner(3), []
    learner.model.conv1.register_forward_hook(lambda *found: sizes.append(len(found[2])))
    seen = learner.look(pictures())
    parts = learner.infer(seen, {})
    assert sizes == [3, 3, 1]
    torch.testing.assert_close(parts, make_learner(1).infer(seen, {}), rtol=1e-9, atol=1e-12)


def test_memory_is_planned_for_the_activations_of_one_pass():
    cost = demands.model_cost("resnet50", 224)
    whole, parts = (demands.model_megabytes(cost, 64, 224, 2, passes=k) for k in (1, 4))
    small = demands.model_megabytes(cost, 16, 224, 2)
    pictures_mb = 4 * 48 * 3 * 224 * 224 * 4 / 1e6
    assert parts == pytest.approx(small + pictures_mb)
    assert parts < whole / 2


def optimizer(accumulation: int, batch: int, statistics: str = "block") -> dict:
    return {"accumulation": accumulation, "norm_statistics": statistics, "batch_size": batch}


def test_passes_without_samples_or_with_statistics_of_all_are_refused():
    check_passes([(optimizer(4, 64), 16), (optimizer(4, 64), 8)])
    check_passes([(optimizer(1, 8, "batch"), 16)])
    line = "4 passes on each of 17 ranks need a batch of at least 68 samples, got 64"
    with pytest.raises(UserError, match=f"optimizer.accumulation: {line}"):
        check_passes([(optimizer(4, 64), 16), (optimizer(4, 64), 17)])
    with pytest.raises(UserError, match=r"optimizer.accumulation: norms .* one pass; set it to 1"):
        check_passes([(optimizer(2, 64, "batch"), 2)])


@pytest.mark.parametrize(
    ("statistics", "wire", "line"),
    [
        ("batch", "float32", "norms that take .* send messages in every step; set it to 1"),
        ("block", "bfloat16", "averages of parameters would be rounded to bfloat16"),
    ],
)
def test_local_steps_that_need_messages_or_exact_ones_are_refused(statistics, wire, line):
    optimizer = {
        "local_steps": 2, "norm_statistics": "block", "gradient_wire": "float32",
        "trust_coefficient": 0,
    }  # fmt: skip
    check_local_steps(optimizer)
    with pytest.raises(UserError, match=r"LARS .* sends a message in every step"):
        check_local_steps({**optimizer, "trust_coefficient": 0.001})
    given = {**optimizer, "norm_statistics": statistics, "gradient_wire": wire}
    check_local_steps({**given, "local_steps": 1})
    with pytest.raises(UserError, match=f"optimizer.local_steps: {line}"):
        check_local_steps(given)
