"""Files of weights from other people's trainers: read where that is unambiguous, else one line."""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mct.base.errors import UserError
from mct.base.keys import parse
from mct.learning.models import build_architecture, build_model, load_weights, save_weights
from mct.learning.settings import ModelSettings

CLASSES = 3
COUNTER = "num_batches_tracked"
State = dict[str, torch.Tensor]


def trained(classes: int = CLASSES) -> State:
    """Return the state dict of a net that has seen pictures."""
    torch.manual_seed(7)
    model = build_architecture("small_cnn", classes)
    model(torch.rand(4, 3, 8, 8))
    return model.state_dict()


def start(path: Path, **settings: object) -> State:
    """Return the state of a net that starts from a file."""
    named = {"name": "small_cnn", "initial_weights": str(path), "precision": "float32"}
    model = parse(ModelSettings, {**named, **settings})
    return build_model(model, CLASSES, 8, 0, [path]).state_dict()


def prefixed(prefix: str) -> State:
    return {f"{prefix}{name}": value for name, value in trained().items()}


WRAPPED = {
    "alone": trained,
    "state_dict": lambda: {"epoch": 3, "state_dict": OrderedDict(trained())},
    "model": lambda: {"model": trained(), "optimizer": {"state": {0: {}}, "param_groups": []}},
    "model.": lambda: {"state_dict": prefixed("model."), "lr_schedulers": []},
    "module.": lambda: prefixed("module."),
    "_orig_mod.": lambda: prefixed("_orig_mod."),
    "two prefixes": lambda: {"state_dict": prefixed("_orig_mod.module.")},
}


@pytest.mark.parametrize("form", WRAPPED)
def test_weights_are_found_in_what_trainers_save(tmp_path: Path, form: str):
    torch.save(WRAPPED[form](), tmp_path / "start.pt")
    started, expected = start(tmp_path / "start.pt"), trained()
    for name in list(expected)[:-2]:
        assert torch.equal(started[name], expected[name]), name


def test_prefixed_names_are_found_in_a_safetensors_file(tmp_path: Path):
    save_file(prefixed("module."), tmp_path / "start.safetensors")
    assert torch.equal(start(tmp_path / "start.safetensors")["0.weight"], trained()["0.weight"])


def test_counters_of_batches_may_be_absent(tmp_path: Path):
    old = {name: value for name, value in trained().items() if not name.endswith(COUNTER)}
    torch.save(old, tmp_path / "start.pt")
    started = start(tmp_path / "start.pt")
    assert torch.equal(started["1.running_mean"], old["1.running_mean"])
    assert started[f"1.{COUNTER}"] == 0


def test_a_classifier_of_equal_size_starts_at_random_unless_it_is_to_be_kept(tmp_path: Path):
    torch.save(trained(), tmp_path / "start.pt")
    torch.manual_seed(0)
    fresh = build_architecture("small_cnn", CLASSES).state_dict()
    for name in list(fresh)[-2:]:
        assert torch.equal(start(tmp_path / "start.pt")[name], fresh[name])
        kept = start(tmp_path / "start.pt", keep_classifier=True)
        assert torch.equal(kept[name], trained()[name])


def test_weights_without_a_classifier_are_a_start(tmp_path: Path):
    headless = dict(list(trained().items())[:-2])
    torch.save(headless, tmp_path / "start.pt")
    assert torch.equal(start(tmp_path / "start.pt")["0.weight"], headless["0.weight"])
    with pytest.raises(UserError, match="expected a classifier for 3 classes, got none"):
        start(tmp_path / "start.pt", keep_classifier=True)


def test_another_number_of_classes_is_refused_where_the_classifier_is_to_be_kept(tmp_path: Path):
    torch.save(trained(classes=5), tmp_path / "start.pt")
    with pytest.raises(UserError, match="expected a classifier for 3 classes, got one for 5"):
        start(tmp_path / "start.pt", keep_classifier=True)


def renamed() -> State:
    return {f"net.{name}": value for name, value in trained().items()}


REFUSED = {
    "two state dicts": (
        lambda: {"model": trained(), "model_ema": trained()},
        "expected one state dict, got 2: model, model_ema",
    ),
    "a pickled module": (
        lambda: build_architecture("small_cnn", CLASSES),
        r"holds Python objects \(torch\.nn\.modules\.container\.Sequential\).* save the model's "
        r"state dict instead: torch\.save\(model\.state_dict\(\), path\)",
    ),
    "a pickled module among others": (
        lambda: {"model": nn.Linear(2, 2), "epoch": 3},
        "save the model's state dict instead",
    ),
    "other names": (
        renamed,
        r"not the weights of this architecture \(model\.name\): 0\.weight: expected 32 x 3 x 3 x 3, "
        r"got nothing; 1\.weight: expected 32, got nothing; 1\.bias: expected 32, got nothing, and ",
    ),
    "another architecture": (
        lambda: {"0.weight": torch.zeros(5, 3, 3, 3), "head": torch.zeros(())},
        r"0\.weight: expected 32 x 3 x 3 x 3, got 5 x 3 x 3 x 3; 1\.weight: expected 32, got nothing",
    ),
    "a wider classifier": (
        lambda: {**trained(), "16.weight": torch.zeros(CLASSES, 64)},
        r"16\.weight: expected 3 x 128, got 3 x 64",
    ),
    "whole numbers": (
        lambda: {**trained(), "0.weight": torch.ones(32, 3, 3, 3, dtype=torch.int8)},
        r"0\.weight: expected 32 x 3 x 3 x 3, got 32 x 3 x 3 x 3 \(int8\)",
    ),
    "not a number": (
        lambda: {**trained(), "1.bias": torch.tensor([np.nan] * 32)},
        r"expected finite weights, got NaN or infinity in 1\.bias",
    ),
    "infinite statistics": (
        lambda: {**trained(), "1.running_var": torch.full((32,), np.inf)},
        r"expected finite weights, got NaN or infinity in 1\.running_var",
    ),
}


@pytest.mark.parametrize("form", REFUSED)
def test_what_is_ambiguous_or_does_not_fit_is_one_line(tmp_path: Path, form: str):
    content, line = REFUSED[form]
    path = tmp_path / "start.pt"
    torch.save(content(), path)
    with pytest.raises(UserError, match=line) as caught:
        start(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_trained_weights_that_are_not_finite_are_refused_when_they_are_read(tmp_path: Path):
    """By evaluation, estimates, calibration and predictions alike."""
    model = build_architecture("small_cnn", CLASSES)
    model[0].weight.data.fill_(np.nan)
    save_weights(model, tmp_path / "primary.safetensors")
    with pytest.raises(UserError, match=r"primary\.safetensors: expected finite weights, got NaN"):
        load_weights(build_architecture("small_cnn", CLASSES), tmp_path / "primary.safetensors")
