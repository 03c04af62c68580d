"""Every architecture runs at its smallest size; weights survive their file."""

from pathlib import Path

import pytest
import torch
from torch import nn

from mct.base.architectures import ARCHITECTURES, check_input_size
from mct.base.errors import UserError
from mct.base.files import file_digest
from mct.experiment.configuration import describe_keys, load_schema
from mct.learning.models import (
    build_architecture,
    build_model,
    load_model,
    load_weights,
    save_weights,
    start_from,
)
from mct.learning.settings import ModelSettings

CLASSES = 3


def small(
    seed: int = 0, classes: int = CLASSES, weights: Path | None = None, keep: bool = True
) -> nn.Module:
    """Return a small net, which keeps the classifier of its initial weights unless `keep` is false."""
    settings = ModelSettings(
        name="small_cnn", initial_weights=weights and str(weights), precision="float32",
        keep_classifier=keep and bool(weights),
    )  # fmt: skip
    return build_model(settings, classes, 8, seed, [weights] if weights else [])


def same_state(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(*pair) for pair in pairs)


def write_weights(model: nn.Module, path: Path) -> Path:
    """Write weights in the format that the name's ending says."""
    if path.suffix == ".safetensors":
        save_weights(model, path)
    else:
        torch.save(model.state_dict(), path)
    return path


def test_architectures_are_those_of_the_schema():
    assert list(ARCHITECTURES) == dict(describe_keys(load_schema()))["model.name"]["examples"]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_learns_from_one_picture_of_its_smallest_size(name):
    settings = ModelSettings(name=name, initial_weights=None, precision="float32")
    smallest = ARCHITECTURES[name].smallest
    model = build_model(settings, CLASSES, smallest, seed=0)
    assert model.train()(torch.zeros(1, 3, smallest, smallest)).shape == (1, CLASSES)
    assert list(model.parameters())[-1].shape == (CLASSES,)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_smaller_pictures_are_refused(name):
    settings = ModelSettings(name=name, initial_weights=None, precision="float32")
    smallest = ARCHITECTURES[name].smallest
    message = rf"images\.size: {name} needs at least {smallest} pixels, got {smallest - 1}"
    with pytest.raises(UserError, match=message):
        build_model(settings, CLASSES, smallest - 1, seed=0)


def test_a_start_depends_on_the_seed_alone():
    assert same_state(small(seed=1), small(seed=1))
    assert not same_state(small(seed=1), small(seed=2))


@pytest.mark.parametrize("name", ["start.safetensors", "start.pt"])
def test_initial_weights_replace_the_random_start(tmp_path, name):
    path = write_weights(small(seed=1), tmp_path / name)
    assert same_state(small(seed=2, weights=path), small(seed=1))


@pytest.mark.parametrize("classes", [CLASSES, 5])
@pytest.mark.parametrize("name", ["start.safetensors", "start.pt"])
def test_a_classifier_keeps_its_random_start_unless_it_is_to_be_kept(tmp_path, name, classes):
    path = write_weights(small(seed=1, classes=classes), tmp_path / name)
    started = small(seed=2, weights=path, keep=False).state_dict()
    own, given = small(seed=2).state_dict(), small(seed=1, classes=classes).state_dict()
    classifier = list(own)[-2:]
    for key, value in started.items():
        assert torch.equal(value, own[key] if key in classifier else given[key]), key


def test_weights_of_another_architecture_are_refused(tmp_path):
    path = write_weights(nn.Linear(4, CLASSES), tmp_path / "linear.safetensors")
    with pytest.raises(UserError, match=r"linear\.safetensors: not the weights of this arch"):
        small(weights=path, keep=False)


def test_weights_of_other_shapes_before_the_classifier_are_refused(tmp_path):
    wide, narrow = (
        nn.Sequential(nn.Linear(4, width), nn.Linear(width, CLASSES)) for width in (6, 5)
    )
    path = write_weights(wide, tmp_path / "wide.safetensors")
    with pytest.raises(
        UserError, match=r"0\.weight: expected 5 x 4, got 6 x 4; 0\.bias: expected 5"
    ):
        start_from(path, narrow, keep_classifier=False)


@pytest.mark.parametrize("content", [None, b"", b"no weights", b"PK\x03\x04 cut"])
@pytest.mark.parametrize("name", ["start.safetensors", "start.pt"])
def test_a_file_that_holds_no_weights_is_refused(tmp_path, name, content):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=rf"{name}: "):
        small(weights=path)


@pytest.mark.parametrize("content", [[torch.zeros(2)], torch.zeros(2), {"epoch": 3}, "text"])
def test_a_torch_file_of_something_else_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "start.pt")
    with pytest.raises(UserError, match=r"start\.pt: "):
        small(weights=tmp_path / "start.pt")


def test_saved_weights_load_equal_with_running_statistics(tmp_path):
    model, other = small(seed=1), small(seed=2)
    model(torch.rand(4, 3, 8, 8))
    save_weights(model, tmp_path / "model.safetensors")
    load_weights(other, tmp_path / "model.safetensors")
    assert same_state(model, other)


def test_channels_last_weights_are_saved_like_any_others(tmp_path):
    model = small()
    save_weights(model, tmp_path / "one.safetensors")
    save_weights(model.to(memory_format=torch.channels_last), tmp_path / "another-name.safetensors")
    digests = {file_digest(path) for path in tmp_path.iterdir()}
    assert len(digests) == 1


def test_loading_weights_of_other_classes_is_refused(tmp_path):
    save_weights(small(classes=5), tmp_path / "model.safetensors")
    with pytest.raises(
        UserError, match=r"model\.safetensors: not the weights of this architecture"
    ):
        load_weights(small(), tmp_path / "model.safetensors")


def test_the_key_of_a_size_that_is_too_small_is_named():
    check_input_size("alexnet", 64, "scaling.size")
    with pytest.raises(UserError, match=r"scaling\.size: alexnet needs at least 64 pixels, got 63"):
        check_input_size("alexnet", 63, "scaling.size")


def test_a_trained_model_is_loaded_without_the_weights_it_started_from(tmp_path):
    settings = ModelSettings(name="small_cnn", initial_weights="/gone.pt", precision="float32")
    trained = build_architecture("small_cnn", 3)
    save_weights(trained, tmp_path / "primary.safetensors")
    loaded = load_model(settings, 3, 8, tmp_path / "primary.safetensors").state_dict()
    for name, value in trained.state_dict().items():
        torch.testing.assert_close(loaded[name], value, rtol=0, atol=0)
