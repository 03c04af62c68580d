"""What is right for the digits alone is no default of another data set: it is asked for."""

import re
from pathlib import Path

import pytest
import yaml
from PIL import Image
from projects import PROJECT
from samples import dataset_settings
from trees import TREES, write_list

from mct.base.errors import UserError
from mct.data.layouts.registry import open_layout
from mct.experiment.configuration import QUICK_START, describe_keys, load_schema, resolve
from mct.experiment.experiment import Experiment
from mct.experiment.suggestions import ask_for

ALL = {
    "experiment": "made",
    "dataset": {"name": "made", "noise_rate": 0.3},
    "images": {"size": 16, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]},
}


def config_without(root: Path, layout: str, *keys: str) -> dict:
    """Return a configuration of a tree that leaves out keys, given as `section.key`."""
    dataset = {**ALL["dataset"], "layout": layout, "root": str(root)}
    if layout == "food101n":
        dataset["test_root"] = str(root / "food-101")
    config = {**ALL, "dataset": dataset, "images": dict(ALL["images"])}
    for key in keys:
        section, _, name = key.rpartition(".")
        del (config[section] if section else config)[name]
    return config


def error_of(config: dict) -> str:
    with pytest.raises(UserError) as raised:
        Experiment(config)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    "key",
    [
        "experiment",
        "dataset.name",
        "dataset.noise_rate",
        "images.size",
        "images.mean",
        "images.std",
    ],
)
def test_a_key_of_the_quick_start_is_asked_for(tmp_path, key):
    root = TREES["table"](tmp_path / "pets")
    Experiment(config_without(root, "table"))
    assert error_of(config_without(root, "table", key)).startswith(
        f"configuration: `{key}`: must be given"
    )


@pytest.mark.parametrize("layout", TREES)
def test_every_layout_says_what_its_data_suggest(tmp_path, layout):
    root = TREES[layout](tmp_path / "pets")
    error = error_of(config_without(root, layout, "images.size", "images.mean", "images.std"))
    side = 32 if layout == "cifar_n" else 16
    assert f"{{images: {{size: {side}, mean: [0." in error
    assert re.search(rf"median of \d+ pictures, {side} x {side}$", error)


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("clothing1m", "noise_rate: counted"),
        ("food101n", "noise_rate: counted"),
        ("cifar_n", "noise_rate: counted"),
        ("table", "noise_rate: counted"),
        ("parquet", "noise_rate: counted"),
        ("webdataset", "noise_rate: counted"),
        ("webvision", "it cannot be `counted`"),
        ("animal10n", "it cannot be `counted`"),
        ("image_folder", "it cannot be `counted`"),
    ],
)
def test_the_rate_is_counted_where_pictures_have_both_labels(tmp_path, layout, expected):
    root = TREES[layout](tmp_path / "pets")
    assert expected in error_of(config_without(root, layout, "dataset.noise_rate"))


def test_clean_pictures_without_observed_labels_count_no_rate(tmp_path):
    root = TREES["clothing1m"](tmp_path / "data")
    clean = (root / "clean_train_key_list.txt").read_text().split()
    for name in ("noisy_train_key_list.txt", "noisy_label_kv.txt"):
        lines = (root / name).read_text().splitlines()
        write_list(root / name, [line for line in lines if line.split()[0] not in clean])
    error = error_of(config_without(root, "clothing1m", "dataset.noise_rate"))
    assert "it cannot be `counted`" in error


def test_the_suggestion_is_measured_on_pictures(tmp_path):
    root = TREES["table"](tmp_path / "pets")
    for number in range(8):
        Image.new("RGB", (640, 480), (255, 102, 0)).save(root / f"pictures/{number}.jpg")
    error = error_of(config_without(root, "table", "images.size", "images.mean", "experiment"))
    found = yaml.safe_load(re.search(r"suggest (\{.*\}); images.size follows", error)[1])
    assert found["experiment"] == "pets"
    assert found["images"]["size"] == 224
    assert found["images"]["mean"] == pytest.approx([1.0, 0.4, 0.0], abs=0.02)
    assert "median of 8 pictures, 640 x 480" in error


def test_what_is_suggested_is_a_configuration(tmp_path):
    root = TREES["table"](tmp_path / "my pets")
    left_out = ("experiment", "dataset.name", "dataset.noise_rate", "images.size")
    config = config_without(root, "table", *left_out, "images.mean", "images.std")
    found = yaml.safe_load(re.search(r"suggest (\{.*\}); images.size", error_of(config))[1])
    config["dataset"] |= found.pop("dataset")
    one = Experiment({**config, **found})
    assert (one.config["experiment"], one.dataset) == ("my_pets", "my_pets")


def test_every_key_of_the_quick_start_has_a_suggestion(tmp_path):
    root = str(TREES["table"](tmp_path / "pets"))
    layout = open_layout(dataset_settings(layout="table", root=root))
    parts = describe_keys(load_schema())
    asked = [key for key, part in parts if QUICK_START in part and "default" not in part]
    text = re.search(r"suggest (\{.*\}); images.size", ask_for(asked, layout))[1]
    found = [
        f"{section}.{key}" if key else section
        for section, part in yaml.safe_load(text).items()
        for key in (part if isinstance(part, dict) else [""])
    ]
    assert sorted(found) == sorted(asked)
    assert ask_for(["images.depth"], layout).endswith("the data suggest {}")


def test_lists_and_pictures_that_cannot_be_read_suggest_nothing_and_say_so(tmp_path):
    root = TREES["table"](tmp_path / "data")
    config = config_without(root, "table", "images.size")
    for picture in root.rglob("*.jpg"):
        picture.write_bytes(b"no picture")
    assert "none of the listed pictures can be read" in error_of(config)
    (root / "table.csv").write_text("path\n")
    error = error_of(config)
    assert error.startswith("configuration: `images.size`: must be given")
    assert "no column label, true_label, split" in error


def test_a_misspelt_key_is_named_before_anything_is_asked_for(tmp_path):
    config = config_without(TREES["table"](tmp_path / "data"), "table", "images.size")
    config["images"]["sise"] = 16
    with pytest.raises(UserError, match=r"unknown key `images\.sise`; did you mean `size`"):
        Experiment(config)


def test_the_quick_start_is_what_it_was():
    """Texts that Snakemake compares: another one would train the digits anew."""
    for config in ({}, yaml.safe_load((PROJECT / "config/config.yaml").read_text())):
        one = Experiment(config)
        assert (one.folder, one.dataset, one.settings.noise()) == (
            "results/digits",
            "digits",
            "0.4",
        )
        assert one.catalogue_settings() == (
            '{"layout": "digits", "seed": 0, "synthetic_clean_fraction": 0.036, '
            '"synthetic_noise": {"kind": "none", "matrix": null, "rate": null}, '
            '"synthetic_noise_rate": 0.4}'
        )
        assert one.reading_settings() == '{"layout": "digits"}'
        assert one.shard_settings() == (
            '{"encoding": "auto", "quality": 95, "short_side": null, "size": 8}'
        )
        assert one.settings.evaluation() == (
            '{"images": {"augmentation": "crop", "mean": [0.5, 0.5, 0.5], '
            '"reduced_decoding": false, "resize": null, "size": 8, "std": [0.25, 0.25, 0.25], '
            '"strong_augmentation": 0}, "model": {"code": "", "initial_weights": null, '
            '"keep_classifier": false, "name": "small_cnn", "precision": "auto", '
            '"trainable": "all"}}'
        )
        assert one.lists.source == (
            "4a44dc15364204a80fe80e9039455cc1608281820fe2b24f1e5233ade6af1dd5"
        )


@pytest.mark.parametrize("path", sorted((PROJECT / "config").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_configuration_that_ships_gives_all_there_is_to_give(path):
    config = resolve(yaml.safe_load(path.read_text()))
    assert {"size", "mean", "std"} <= config["images"].keys()
    assert {"name", "noise_rate"} <= config["dataset"].keys()
    assert config["experiment"] == ("digits" if path.stem == "config" else config["experiment"])
