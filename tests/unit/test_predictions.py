"""What predictions of pictures in files are made with."""

import json
from pathlib import Path

import pytest

from mct.base.errors import UserError
from mct.experiment.configuration import resolve
from mct.experiment.methods import ALONE
from mct.results.predictions import trained_settings


def weights(folder: Path, **images: object) -> Path:
    """Return weights of a training on images of its own, with the record of their settings."""
    folder.mkdir()
    settings = ALONE["pretrain_primary"].settings(resolve({"images": images}), 0)
    (folder / "record.json").write_text(json.dumps({"settings": settings, "ranks": 2}))
    return folder / "primary.safetensors"


def test_pictures_are_seen_as_in_the_training_of_the_weights(tmp_path):
    """Whatever the experiment's config.yaml has become by a later run."""
    first = weights(tmp_path / "one", size=16, mean=[0.1, 0.2, 0.3])
    second = weights(tmp_path / "two", size=16, mean=[0.1, 0.2, 0.3])
    (tmp_path / "config.yaml").write_text("images: {mean: [0.9, 0.9, 0.9]}\n")
    settings = trained_settings([first, first.with_name("auxiliary.safetensors"), second])
    assert (settings.images.size, settings.images.mean) == (16, (0.1, 0.2, 0.3))
    assert settings.model.name == "small_cnn"


def test_weights_of_other_pictures_have_no_mean_prediction(tmp_path):
    first, second = weights(tmp_path / "one"), weights(tmp_path / "two", mean=[0.9, 0.9, 0.9])
    with pytest.raises(
        UserError, match=r"two/primary\.safetensors: trained with other .* than .*one"
    ):
        trained_settings([first, second])


def test_weights_without_their_record_are_refused(tmp_path):
    with pytest.raises(
        UserError, match=r"record\.json: no such file; weights need the record that"
    ):
        trained_settings([tmp_path / "primary.safetensors"])


def test_a_record_of_something_else_is_named(tmp_path):
    (tmp_path / "record.json").write_text('{"settings": {}}')
    with pytest.raises(UserError, match=r"record\.json: not the record of a training"):
        trained_settings([tmp_path / "primary.safetensors"])
