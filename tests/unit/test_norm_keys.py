"""What the plan says of keys about norms, and blocks that start as the identity."""

from functools import partial

import pytest
import timm
import torch
from describe_net import norms_of
from runs import ranks_of
from torch.nn.modules.batchnorm import _BatchNorm

from mct.base.architectures import ARCHITECTURES, Norms
from mct.base.errors import UserError
from mct.experiment.cautions import norm_cautions
from mct.experiment.combinations import check_norms
from mct.experiment.configuration import resolve
from mct.experiment.experiment import Experiment
from mct.experiment.nets import Nets
from mct.learning.costs import sketch
from mct.learning.hubs import build_net
from mct.learning.last_norms import zero_last_norms
from mct.learning.models import build_architecture, build_model
from mct.learning.settings import ModelSettings

BATCH_NORMS = Norms(batch=True, last=True)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (
            {"optimizer": {"norm_samples": 32, "norm_statistics": "batch"}},
            "optimizer.norm_samples: needs norm_statistics `block`, got `batch`",
        ),
        (
            {
                "optimizer": {"norm_samples": 32, "norm_statistics": "stored"},
                "model": {"name": "resnet18", "initial_weights": "imagenet"},
            },
            "optimizer.norm_samples: needs norm_statistics `block`, got `stored`",
        ),
        (
            {
                "optimizer": {"norm_momentum": 0.05, "norm_statistics": "stored"},
                "model": {"name": "resnet18", "initial_weights": "imagenet"},
            },
            "optimizer.norm_momentum: with norm_statistics `stored` running",
        ),
        (
            {
                "model": {
                    "name": "resnet18", "initial_weights": "imagenet", "zero_last_norms": True
                }
            },
            "model.zero_last_norms: is for a net that starts at random",
        ),
        (
            {"model": {"zero_last_norms": True}},
            "model.zero_last_norms: small_cnn has no residual blocks",
        ),
    ],
)  # fmt: skip
def test_keys_that_exclude_each_other_end_the_plan(tmp_path, keys, line):
    keys["images"] = {"size": 40, "mean": [0.5] * 3, "std": [0.25] * 3, "resize": None}
    with pytest.raises(UserError, match=line):
        Experiment({"results": str(tmp_path), **keys}).check_paths()


def test_what_is_not_known_of_a_net_is_left_to_its_job():
    config = resolve({"model": {"zero_last_norms": True}})
    check_norms(config, None)
    with pytest.raises(UserError, match="small_cnn has no residual blocks"):
        build_model(ModelSettings(name="small_cnn", zero_last_norms=True), 10, 16, seed=0)


def few(norms: Norms | None = BATCH_NORMS, **sections) -> list[str]:
    """Return the cautions of a configuration."""
    return norm_cautions(ranks_of(resolve(sections)), norms)


FEW = {"ranks": [8], "methods": ["noise_only", "mct"], "optimizer": {"batch_size": 64}}


def test_each_training_whose_ranks_normalise_few_pictures_is_named():
    """Ranks: 8 of a baseline, 4 of a model of the pair, 3 and 5 of its pretraining."""
    assert few(**FEW) == [
        "optimizer.norm_samples: in pretrain_primary batch norms take their statistics from 12 "
        "pictures on each of 5 ranks, which are few; set optimizer.norm_samples: 32",
        "optimizer.norm_samples: in noise_only batch norms take their statistics from 8 pictures on "
        "each of 8 ranks, which are few; set optimizer.norm_samples: 32",
    ]
    (line,) = few(**FEW | {"optimizer": {"batch_per_rank": 15}, "ranks": [2]})
    assert line.startswith("optimizer.norm_samples: in noise_only batch norms")


@pytest.mark.parametrize(
    "change",
    [
        {"norms": None},
        {"norms": Norms(batch=False, last=False)},
        {"optimizer": {"batch_size": 64, "norm_samples": 32}},
        {"optimizer": {"batch_size": 64, "norm_statistics": "batch"}},
        {"optimizer": {"batch_size": 128}},
        {"model": {"trainable": "classifier"}},
    ],
)
def test_others_are_not(change):
    assert few(**FEW)
    assert few(**FEW | change) == []


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_table_knows_the_norms_of_each_net(name):
    with torch.device("meta"):
        net = build_architecture(name, 10)
    has_batch = any(isinstance(module, _BatchNorm) for module in net.modules())
    assert ARCHITECTURES[name].norms == (has_batch, zero_last_norms(net) > 0)


@pytest.mark.parametrize(
    ("name", "norms"),
    [
        ("timm/resnet10t", Norms(batch=True, last=True)),
        ("timm/vit_tiny_patch16_224", Norms(batch=False, last=False)),
        ("timm/resnetv2_50t", Norms(batch=True, last=False)),  # its norms come before convolutions
        ("mobilenet_v3_small", Norms(batch=True, last=False)),
    ],
)
def test_norms_of_other_nets_are_found(name, norms):
    assert norms_of(sketch(partial(build_net, name))) == norms


def test_the_plan_asks_for_the_norms_of_another_net(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Nets(tmp_path).find("mobilenet_v3_small", 64).norms == Norms(batch=True, last=False)


@pytest.mark.parametrize("name", ["cifar_resnet18", "resnet50", "timm/resnet18"])
def test_a_block_whose_last_norm_is_zero_is_the_identity(name):
    net = build_model(ModelSettings(name=name, zero_last_norms=True), 10, 40, seed=0)
    block = net.layer1[-1].eval()  # without a projection
    pictures = torch.rand(2, block.conv1.in_channels, 8, 8)
    torch.testing.assert_close(block(pictures), pictures)


def test_a_net_is_not_changed_otherwise():
    plain = build_model(ModelSettings(name="cifar_resnet18"), 10, 32, seed=3)
    zeroed = build_model(ModelSettings(name="cifar_resnet18", zero_last_norms=True), 10, 32, seed=3)
    other = zeroed.state_dict()
    for name, value in plain.state_dict().items():
        is_last = name.endswith("bn2.weight")
        assert torch.equal(other[name], torch.zeros_like(value) if is_last else value), name


def test_timms_nets_count_their_blocks():
    assert zero_last_norms(timm.create_model("resnet26")) == 8
