"""A value or key that is nearly right: the error says what was probably meant."""

import pytest

from mct.base.errors import UserError
from mct.experiment.configuration import resolve


@pytest.mark.parametrize(
    ("config", "key", "meant"),
    [
        ({"dataset": {"layout": "tabel"}}, "dataset.layout", "table"),
        ({"dataset": {"layout": "Clothing1M"}}, "dataset.layout", "clothing1m"),
        ({"dataset": {"layout": "image-folder"}}, "dataset.layout", "image_folder"),
        ({"dataset": {"label_set": "worst_label"}}, "dataset.label_set", "worse_label"),
        ({"dataset": {"noise_rate": "count"}}, "dataset.noise_rate", "counted"),
        ({"dataset": {"archives": "ture"}}, "dataset.archives", "true"),
        ({"dataset": {"clean_fraction": "None"}}, "dataset.clean_fraction", "null"),
        (
            {"dataset": {"synthetic_noise": {"kind": "symetric"}}},
            "dataset.synthetic_noise.kind",
            "symmetric",
        ),
        ({"methods": ["mct", "clean_nosy"]}, "methods.1", "clean_noisy"),
        ({"methods": ["MCT-paper"]}, "methods.0", "mct_paper"),
        ({"split": "valid"}, "split", "validation"),
        ({"images": {"augmentation": "cropflip"}}, "images.augmentation", "crop_flip"),
        ({"model": {"name": "ResNet-50"}}, "model.name", "resnet50"),
        ({"model": {"precision": "bf16"}}, "model.precision", "bfloat16"),
        ({"execution": {"device": "gpu"}}, "execution.device", "cuda"),
        ({"execution": {"allreduce": "rings"}}, "execution.allreduce", "ring"),
        ({"scaling": {"averaged_models": ["alex_net"]}}, "scaling.averaged_models.0", "alexnet"),
    ],
)
def test_a_misspelt_value_is_refused_with_the_nearest_one(config, key, meant):
    with pytest.raises(UserError, match=rf"`{key}`: expected .*; did you mean `{meant}`\?"):
        resolve(config)


@pytest.mark.parametrize(
    ("section", "key", "text", "value"),
    [
        ("dataset", "archives", "true", True),
        ("dataset", "archives", "false", False),
        ("dataset", "clean_fraction", "null", None),
        ("model", "initial_weights", "null", None),
        ("optimizer", "nesterov", "false", False),
    ],
)
def test_words_of_the_command_line_are_values(section, key, text, value):
    """Snakemake hands on `--config 'dataset={archives: true}'` with the text `true`."""
    assert resolve({section: {key: text}})[section][key] is value


def test_a_value_like_no_other_gets_no_guess():
    with pytest.raises(UserError) as raised:
        resolve({"split": "xyz"})
    assert "did you mean" not in str(raised.value)
    assert "expected one of test, validation, got 'xyz'." in str(raised.value)


def test_a_key_in_another_case_is_recognised():
    with pytest.raises(UserError, match="unknown key `Seeds`; did you mean `seeds`"):
        resolve({"Seeds": [0]})


def test_a_dotted_key_is_explained():
    with pytest.raises(UserError, match=r"given as `images: \{size: \.\.\.\}`"):
        resolve({"images.size": 32})
