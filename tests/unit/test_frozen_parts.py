"""Nets of which a part stays as it starts: what learns, how fast, and what is computed."""

from types import SimpleNamespace

import pytest
import torch
from mpi4py import MPI
from torch import nn
from torch.nn.functional import cross_entropy
from torchvision.models import get_model

from mct.base.errors import UserError
from mct.data.settings import ImageSettings
from mct.learning.learner import Learner
from mct.learning.models import build_architecture, build_model
from mct.learning.parts import begin_training, freeze, parts_of
from mct.learning.settings import ModelSettings, OptimizerSettings
from mct.learning.trunk import SplitNet, WholeNet, split
from mct.stage.compute import Compute
from mct.stage.settings import ExecutionSettings

SIZE = 64
IMAGES = ImageSettings(size=SIZE, augmentation="none", mean=(0.5,) * 3, std=(0.25,) * 3)
LABELS = torch.tensor([0, 1, 2, 3, 0, 1])
MASK = torch.tensor([1, 0, 1, 1, 0, 0]).double()


def make_learner(trainable=2, name: str = "resnet18", **optimizer: object) -> Learner:
    settings = ModelSettings(name=name, trainable=trainable, precision="float64")
    return Learner(
        build_model(settings, 4, SIZE, seed=0),
        compute=Compute(device=torch.device("cpu"), dtype=torch.float64), comm=MPI.COMM_SELF,
        images=IMAGES, optimizer=OptimizerSettings(batch_size=6, **optimizer),
        execution=ExecutionSettings(),
    )  # fmt: skip


def pictures(count: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, SIZE, SIZE), generator=generator, dtype=torch.uint8)


def loss_of(logits: torch.Tensor) -> torch.Tensor:
    return (cross_entropy(logits, LABELS, reduction="none") * MASK).sum() / MASK.sum()


def tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("resnet18", ["layer3", "layer4", "fc"]),
        ("alexnet", ["classifier.1", "classifier.4", "classifier.6"]),
        ("efficientnet_b0", ["features.7.0", "features.8.0", "classifier.1"]),
        ("vit_b_16", ["conv_proj", "encoder", "heads.head"]),
    ],
)
def test_stages_are_what_libraries_call_so(name: str, last: list[str]):
    model = get_model(name, weights=None)
    names = {module: name for name, module in model.named_modules()}
    assert [names[part[0]] for part in parts_of(model)][-3:] == last


def test_a_norm_belongs_to_the_stage_before_it():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Linear(4, 2))
    assert [len(part) for part in parts_of(model)] == [2, 1]


def test_more_stages_than_there_are_end_in_a_line():
    message = r"model.trainable: resnet18 has 5 stages before its classifier, got 9; set all"
    with pytest.raises(UserError, match=message):
        freeze(get_model("resnet18"), SimpleNamespace(name="resnet18", trainable=9))


TIMM = [
    "timm/tf_efficientnet_lite0",
    "timm/convnext_atto",
    "timm/regnetx_002",
    "timm/mobilenetv3_small_050",
]


@pytest.mark.parametrize(
    "name", ["resnet18", "alexnet", "efficientnet_b0", "googlenet", "swin_t", *TIMM]
)
@pytest.mark.parametrize("trainable", [1, "classifier"])
def test_trunk_and_head_are_the_net(name: str, trainable: object):
    if name == "googlenet":
        model = get_model(name, num_classes=4, init_weights=False, aux_logits=False).double()
    else:
        model = build_architecture(name, 4).double()
    freeze(model, SimpleNamespace(name=name, trainable=trainable))
    net, averaged = split(model, model, lambda: begin_training(model, stores_statistics=False))
    assert isinstance(net, SplitNet)
    assert isinstance(averaged, SplitNet)
    seen = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)).double()
    torch.manual_seed(3)
    expected = model(seen)
    torch.manual_seed(3)
    features = net.features(seen)
    assert not any(part.requires_grad for part in features)
    torch.testing.assert_close(net.logits(features), expected)
    model.eval()
    torch.testing.assert_close(averaged.logits(features, {}), model(seen))


def test_a_net_that_learns_as_a_whole_has_no_trunk():
    model = get_model("resnet18")
    nets = split(model, model, model.train)
    assert all(isinstance(net, WholeNet) and net.digest() == "" for net in nets)


def test_a_net_whose_course_depends_on_its_input_is_not_divided():
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.fc = nn.Linear(3, 3), nn.Linear(3, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.stem(x) if x.sum() > 0 else x)

    model = Branching()
    model.stem.requires_grad_(False)
    assert isinstance(split(model, model, model.train)[0], WholeNet)


@pytest.mark.parametrize("statistics", ["block", "stored"])
def test_gradients_are_those_of_the_plain_computation(statistics: str):
    learner, plain = make_learner(norm_statistics=statistics), make_learner()
    begin_training(plain.model, stores_statistics=statistics == "stored")
    normalised = (pictures().double() / 255 - 0.5) / 0.25
    loss_of(plain.model(normalised)).backward()
    expected = {name: p.grad for name, p in plain.model.named_parameters() if p.requires_grad}
    learner.differentiate(loss_of(learner.forward(pictures(), key=0)))
    found = {name: p.grad for name, p in learner.model.named_parameters() if p.requires_grad}
    assert found.keys() == expected.keys()
    assert {name.split(".")[0] for name in found} == {"layer3", "layer4", "fc"}
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-9, atol=1e-12)


def test_what_is_frozen_stays_with_its_statistics():
    learner = make_learner(trainable=1)
    before = tensors(learner.model)
    learner.update(loss_of(learner.forward(pictures(), key=0)), 0.1)
    learner.infer(learner.look(pictures()), {})
    learner.update(loss_of(learner.forward(pictures(), key=1)), 0.1)
    changed = {
        n for n, value in tensors(learner.model).items() if not torch.equal(value, before[n])
    }
    assert {name.split(".")[0] for name in changed} == {"layer4", "fc"}
    assert "layer4.0.bn1.running_mean" in changed


def test_stored_statistics_stay_in_the_stages_that_learn():
    learner = make_learner(norm_statistics="stored")
    before = tensors(learner.model)
    learner.update(loss_of(learner.forward(pictures(), key=0)), 0.1)
    after = tensors(learner.model)
    assert all(torch.equal(after[n], before[n]) for n in after if "running" in n)
    assert not torch.equal(after["layer4.0.bn1.weight"], before["layer4.0.bn1.weight"])


def test_a_state_with_frozen_parts_goes_on_as_if_never_interrupted():
    learner, other = make_learner(), make_learner()
    for key in range(4):
        learner.update(loss_of(learner.forward(pictures(), key=key)), 0.1)
        if key == 1:
            other.restore(learner.state())
    for key in (2, 3):
        other.update(loss_of(other.forward(pictures(), key=key)), 0.1)
    for one, two in zip(learner.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(one, two)


def test_rates_of_parts():
    learner = make_learner(
        trainable="all", momentum=0.0, weight_decay=0.0, nesterov=False,
        classifier_rate=10, stage_rate_decay=0.5,
    )  # fmt: skip
    before = tensors(learner.model)
    learner.update(loss_of(learner.forward(pictures(), key=0)), 0.1)
    for name, factor in (
        ("fc.weight", 10),
        ("layer4.0.conv1.weight", 0.5),
        ("conv1.weight", 0.5**5),
    ):
        parameter = dict(learner.model.named_parameters())[name]
        step = before[name] - parameter.detach()
        torch.testing.assert_close(step, 0.1 * factor * parameter.grad, rtol=1e-6, atol=1e-12)


def test_the_classifier_learns_alone_and_then_with_the_others():
    learner = make_learner(trainable=1, weight_decay=0.1)
    before = tensors(learner.model)
    learner.learn_classifier_alone(True)
    learner.update(loss_of(learner.forward(pictures(), key=0)), 0.1)
    after = tensors(learner.model)
    assert {n for n in after if not torch.equal(after[n], before[n])} == {"fc.weight", "fc.bias"}
    learner.learn_classifier_alone(False)
    learner.update(loss_of(learner.forward(pictures(), key=1)), 0.1)
    later = tensors(learner.model)
    changed = {n.split(".")[0] for n in later if not torch.equal(later[n], after[n])}
    assert changed == {"layer4", "fc"}
