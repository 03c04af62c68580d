"""Nets of torchvision and timm: found by name, built, counted, and remembered by the plan."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import describe_net
import pytest
import timm
import torch
from mpi4py import MPI

from mct.base.architectures import ARCHITECTURES, Pretrained
from mct.base.errors import UserError
from mct.cluster.demands import cost_of
from mct.experiment import nets
from mct.experiment.configuration import resolve
from mct.experiment.experiment import Experiment
from mct.experiment.nets import Nets, follow_weights
from mct.learning.classifier import classifier_layer, classifier_names
from mct.learning.costs import count_costs, sizes_taken, sketch, takes
from mct.learning.hubs import Net, build_net, find_net, pretrained_of
from mct.learning.models import build_architecture
from mct.learning.norms import share_statistics

CLASSES = 3


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache of the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/mct-workflow/nets.json"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list:
    """Return a list that grows whenever another process is asked about a net."""
    found, run = [], subprocess.run

    def counted(*given, **options):
        found.append(given)
        return run(*given, **options)

    monkeypatch.setattr(subprocess, "run", counted)
    return found


@pytest.mark.parametrize(
    ("text", "net"),
    [
        ("mobilenet_v2", Net("torchvision", "mobilenet_v2")),
        ("vgg16", Net("torchvision", "vgg16")),  # of both
        ("timm/vgg16", Net("timm", "vgg16")),
        ("torchvision/vgg16", Net("torchvision", "vgg16")),
        ("tf_efficientnet_lite0", Net("timm", "tf_efficientnet_lite0")),
        ("resnet26.bt_in1k", Net("timm", "resnet26.bt_in1k")),
    ],
)
def test_a_net_is_torchvisions_else_timms_unless_its_library_is_named(text, net):
    assert find_net(text) == net


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("mobilnet_v2", "mobilenet_v2"),
        ("cifar_resnet19", "cifar_resnet18"),
        ("tf_eficientnet_lite0", "tf_efficientnet_lite0"),
        ("torchvision/vit_b_17", "vit_b_16"),
        ("resnet26.no_such_tag", "resnet26"),
    ],
)
def test_an_unknown_net_is_refused_with_the_nearest_name(text, meant):
    with pytest.raises(UserError, match=rf"model\.name: .* {text}; did you mean `{meant}"):
        find_net(text)


def test_without_timm_a_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)  # an import of it fails
    assert find_net("vgg16").library == "torchvision"
    with pytest.raises(UserError, match=r"no classification net resnet26; .*pip install timm"):
        find_net("resnet26")


def test_the_listed_nets_have_torchvisions_own_weights():
    for name, listed in ARCHITECTURES.items():
        if listed.pretrained:
            assert pretrained_of(find_net(name)) == listed.pretrained


NAMES = [
    "torchvision/mobilenet_v2",
    "torchvision/squeezenet1_1",  # its classifier is a convolution
    "torchvision/googlenet",  # has auxiliary heads
    "torchvision/maxvit_t",  # its classifier has no bias
    "torchvision/regnet_y_400mf",  # computes with its weights when it is built
    "timm/tf_efficientnet_lite0",
    "timm/deit_tiny_distilled_patch16_224",  # has two classifiers
    "timm/repvit_m0_9",  # so it has, in layers of their own
    "timm/dla46_c",  # its classifier is a convolution
]


@pytest.mark.parametrize("name", NAMES)
def test_a_net_learns_and_its_classifier_is_what_depends_on_the_classes(name):
    few, many = (sketch(partial(build_net, name), classes) for classes in (13, 1000))
    changed = [
        key
        for (key, one), other in zip(few.named_parameters(), many.parameters(), strict=True)
        if one.shape != other.shape
    ]
    assert set(changed) <= set(classifier_names(few))
    assert {key.rpartition(".")[0].split(".")[0] for key in changed} == {
        key.split(".")[0] for key in classifier_names(few)
    }
    assert classifier_layer(few).weight.shape[0] == 13
    assert takes(many, 224) or takes(many, 224, samples=2)


@pytest.mark.parametrize("name", ["resnet50", "alexnet"])
def test_costs_of_a_librarys_net_are_those_that_are_listed(name):
    counted = count_costs(sketch(partial(build_net, name)), 224)
    listed = count_costs(sketch(partial(build_architecture, name)), 224)
    assert counted == listed
    assert counted.parameters == {"resnet50": 25_557_032, "alexnet": 61_100_840}[name]


def test_costs_of_attention_are_counted():
    """A block of vit_tiny on n = 197 tokens of d = 192 makes 12 n d^2 + 2 n^2 d multiply-adds."""
    n, d = 197, 192
    blocks = 12 * (12 * n * d**2 + 2 * n**2 * d)
    ends = (n - 1) * d * 3 * 16**2 + d * 1000
    net = sketch(partial(build_net, "timm/vit_tiny_patch16_224"))
    assert count_costs(net, 224).multiply_adds == blocks + ends


def test_sizes_that_a_net_takes():
    assert sizes_taken(sketch(partial(build_net, "mobilenet_v2")), 224)[0] == 33
    assert sizes_taken(sketch(partial(build_net, "vit_b_16")), 100) == [224]
    # A norm of its features needs two pictures, whatever their size.
    assert 224 in sizes_taken(sketch(partial(build_net, "levit_128s")), 224)


@pytest.mark.parametrize(
    ("name", "size", "line"),
    [
        ("mobilenet_v2", 32, r"images\.size: mobilenet_v2 needs at least 33 pixels, got 32"),
        ("vit_b_16", 96, r"images\.size: vit_b_16 takes only .* got 96; take one of 224"),
        ("qwen3_vit_88m_enc", 224, r"model\.name: qwen3_vit_88m_enc has no classifier"),
        ("resnet5", 64, r"model\.name: .* resnet5; did you mean `resnet50`\?"),
    ],
)
def test_what_a_net_does_not_take_is_refused(name, size, line):
    with pytest.raises(UserError, match=line):
        describe_net.describe(name, size)


def test_what_a_process_refuses_a_plan_refuses(tmp_path):
    with pytest.raises(UserError, match=r"^model\.name: .* resnet5; did you mean `resnet50`\?$"):
        Nets(tmp_path).find("resnet5", 64)


def test_another_process_is_asked_once(tmp_path, asked, cache, monkeypatch):
    first = Nets(tmp_path / "one")
    net = first.find("mobilenet_v2", 64)
    assert first.find("mobilenet_v2", 64) == net
    assert Nets(tmp_path / "other").find("mobilenet_v2", 64) == net
    assert len(asked) == 1
    counted = count_costs(sketch(partial(build_net, "mobilenet_v2")), 64)
    assert net.costs == counted._asdict()
    first.hand_on()
    cache.write_text("{")  # of the machine that planned; its jobs have the results
    assert Nets(tmp_path / "one").find("mobilenet_v2", 64) == net
    assert len(asked) == 1
    monkeypatch.setattr(nets, "_version", lambda library: "0")
    assert Nets(tmp_path / "one").find("mobilenet_v2", 64) == net  # of other versions
    assert len(asked) == 2
    assert len(json.loads(cache.read_text())) == 1


@pytest.mark.parametrize("damage", ["{", "[]", '{"a": 1}', "\0"])
def test_a_damaged_cache_knows_nothing(cache, damage):
    cache.parent.mkdir(parents=True)
    cache.write_text(damage)
    assert "question" not in nets._read(cache)


def test_a_plan_without_torch_says_what_it_lacks(tmp_path, monkeypatch):
    program = tmp_path / "describe_net.py"
    program.write_text("raise ModuleNotFoundError('No module named torch')\n")
    monkeypatch.setattr(nets, "PROGRAM", program)
    with pytest.raises(
        UserError, match=r"\(exit code 1\): ModuleNotFoundError: No module .*; inst"
    ):
        Nets(tmp_path).find("mobilenet_v2", 64)


def test_a_job_plans_with_the_costs_of_the_net(tmp_path):
    config = {"results": str(tmp_path), "images": {"size": 64}, "model": {"name": "mobilenet_v2"}}
    experiment = Experiment(config)
    assert experiment.net is not None
    assert cost_of(experiment).multiply_adds == experiment.net.multiply_adds
    settings = json.loads(experiment.settings.training("noise_only", "0", "2"))
    assert settings["model"]["code"]


LITE0 = Pretrained("in1k", 224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 1000)


def followed(tmp_path: Path, given: dict, **model) -> tuple[dict, list[str]]:
    """Return the section `images` of a configuration, and what is said of it."""
    config = resolve({"dataset": {"layout": "table"}, "images": given, "model": model})
    found, lines = follow_weights(config, given, Nets(tmp_path))
    return found["images"], lines


def test_pictures_are_shown_as_to_the_weights_where_nothing_else_is_given(tmp_path):
    model = {"name": "tf_efficientnet_lite0", "initial_weights": "lite0.safetensors"}
    images, [line] = followed(tmp_path, {}, **model)
    assert (images["size"], images["mean"], images["std"]) == (224, [0.5] * 3, [0.5] * 3)
    assert line == (
        "model.name: tf_efficientnet_lite0 with weights: images.size 224, images.mean [0.5, 0.5, 0.5], "
        "images.std [0.5, 0.5, 0.5], as for its own weights in1k"
    )
    images, [line] = followed(tmp_path, {"mean": [0.4] * 3}, **model)
    assert (images["size"], images["mean"], images["std"]) == (224, [0.4] * 3, [0.5] * 3)
    assert "images.mean" not in line
    assert find_net("tf_efficientnet_lite0").library == "timm"
    assert pretrained_of(find_net("tf_efficientnet_lite0")) == LITE0


def test_listed_nets_need_no_other_process(tmp_path, asked):
    images, [line] = followed(tmp_path, {}, name="resnet50", initial_weights="imagenet")
    assert (images["size"], images["mean"]) == (224, [0.485, 0.456, 0.406])
    assert line.endswith("as for its own weights IMAGENET1K_V2")
    assert asked == []


@pytest.mark.parametrize("model", [{}, {"name": "resnet50"}, {"initial_weights": "mine.pt"}])
def test_without_weights_of_a_library_sizes_are_asked_for(tmp_path, model):
    images, lines = followed(tmp_path, {}, **model)
    assert {"size", "mean", "std"}.isdisjoint(images)
    assert lines == []


def test_a_net_without_weights_of_its_own_cannot_start_from_imagenet(tmp_path):
    with pytest.raises(UserError, match=r"initial_weights: no library has weights for small_cnn"):
        followed(tmp_path, {"size": 64}, initial_weights="imagenet")
    assert pretrained_of(find_net("resnetv2_50t")) is None


def test_a_fetched_classifier_is_kept_for_as_many_classes_only(tmp_path):
    model = {"name": "resnet18", "initial_weights": "imagenet", "keep_classifier": True}
    config = {"results": str(tmp_path), "images": {"size": 64}, "model": model}
    with pytest.raises(UserError, match="resnet18's own weights are for 1000 classes, expected 10"):
        Experiment(config).check_paths()


def test_timms_norms_share_their_statistics():
    nets = [timm.create_model("tf_efficientnet_lite0", num_classes=CLASSES) for _ in range(2)]
    alone, shared = (net.double().train() for net in nets)
    shared.load_state_dict(alone.state_dict())
    share_statistics(shared, MPI.COMM_SELF)
    pictures = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)).double()
    for net in (alone, shared):
        net(pictures).square().sum().backward()
    gradients = ([part.grad for part in net.parameters()] for net in (alone, shared))
    torch.testing.assert_close(*gradients)
    torch.testing.assert_close(*(dict(net.named_buffers()) for net in (alone, shared)))


def test_norms_that_cannot_share_their_statistics_are_refused():
    with pytest.raises(
        UserError, match=r"norm_statistics: batch` and .* BatchNorm1d; take `norm_st"
    ):
        share_statistics(timm.create_model("levit_128s"), MPI.COMM_SELF)
