"""A model that is handed over: files with their facts, ONNX that equals torch, a card that is right."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from samples import PixelSet, pixel_set
from torch import Tensor, nn

from mct.base.errors import UserError
from mct.base.files import write_json
from mct.data.settings import ImageSettings
from mct.learning.models import build_architecture, build_model, save_weights
from mct.learning.prediction import Predictor
from mct.learning.settings import EvaluationSettings, ModelSettings
from mct.results import handover
from mct.results.exported_model import (
    ExportedNet,
    ModelFacts,
    compare_onnx,
    in_float32,
    spread_positions,
    write_model,
    write_onnx,
)
from mct.results.model_card import building_of, write_card
from mct.results.picture_files import find_pictures
from mct.results.predictions import view
from mct.results.tables import Run
from mct.results.temperature import Temperature, probabilities
from mct.stage.settings import ExecutionSettings

CLASSES = ["_cat_", '"dog" | 狗', "c"]
TEMPERATURE = 1.5
PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def settings_of(name: str, size: int, **images: Any) -> EvaluationSettings:
    return EvaluationSettings(
        images=ImageSettings(size=size, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3), **images),
        model=ModelSettings(name=name, precision="bfloat16"),
    )


class Handed:
    """A small model at random, handed over into a folder, and its predictions for random pictures."""

    def __init__(self, folder: Path, name: str = "small_cnn", size: int = 8) -> None:
        self.folder, self.weights = folder, folder / "primary.safetensors"
        self.settings = in_float32(settings_of(name, size))
        save_weights(build_model(self.settings.model, len(CLASSES), size, seed=0), self.weights)
        predictor = Predictor(self.weights, self.settings, len(CLASSES), ExecutionSettings())
        self.set = SizedSet.of(size, 70)
        self.logits, self.labels = predictor.predict(self.set)
        self.model = ModelFacts.of(self.settings, CLASSES, TEMPERATURE)

    def write(self, shift: float = 0) -> dict[str, Any]:
        """Write all files; `shift` is added to what torch is said to predict."""
        expected = probabilities(self.logits, TEMPERATURE) + shift

        def check(path: Path) -> dict[str, Any]:
            return compare_onnx(path, self.set, self.settings.images, expected, threads=1)

        path = self.folder / "export.json"
        return write_model(self.weights, self.settings, self.model, path, check)

    def card(self) -> str:
        """Write all files, `export.json` too, and return the card."""
        test = self.logits, self.labels
        found = Temperature(TEMPERATURE)
        facts = {
            **DESCRIPTION,
            **self.write(),
            "accuracy": handover.measure_accuracy(test),
            "probabilities": handover.measure_probabilities(test, test, found),
        }
        write_json(self.folder / "export.json", facts)
        return write_card(facts)


class SizedSet(PixelSet):
    """Random pictures of some size."""

    def read(self, position: int):
        generator = np.random.default_rng(int(self.sample[position]))
        return generator.integers(0, 256, (self.side, self.side, 3), np.uint8)

    @classmethod
    def of(cls, side: int, count: int) -> "SizedSet":
        found = cls(**vars(pixel_set(count)))
        object.__setattr__(found, "side", side)
        return found


NOISE = {"method": "counted", "rate": 0.25, "lower": 0.2, "upper": 0.3, "samples": 40}
ABOUT = {"dataset": "my_set", "clean_set": "checked by hand"}
TITLES = {"pretrain_primary": "Mp, pretrained on noisy", "mct": "MCT"}
RECORDS = {
    Run("pretrain_primary", 0, 2, "record"): {
        "settings": {"constant_epochs": {"noisy": 2.0}, "decay_epochs": {}},
        "samples_seen": 80,
    },
    Run("mct", 0, 2, "record"): {
        "settings": {"epochs": 3, "model": {"initial_weights": "/home/somebody/start.pt"}},
        "samples_seen": 250,
        "samples_seen_primary": 130,
    },
}
EVALUATIONS = {Run("mct", seed, 2, "primary"): {"top1": 0.5 + seed / 10} for seed in (0, 1, 2)}
DESCRIPTION = {
    "experiment": "mine",
    "data": handover.describe_data(ABOUT, {"noisy": 40, "test": 70}, NOISE, CLASSES),
    "training": handover.describe_training(Run("mct", 0, 2, "primary"), RECORDS, TITLES),
    "seeds": handover.summarise_seeds(EVALUATIONS),
    "versions": handover.library_versions(),
}


@pytest.fixture
def packages() -> None:
    for name in PACKAGES:
        pytest.importorskip(name, reason="the extra `export` is not installed")


def test_weights_stay_as_they_are_and_carry_what_has_to_be_known(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)  # as where it is not installed
    handed = Handed(tmp_path)
    handed.write()
    written = tmp_path / "model.safetensors"
    given, found = load_file(handed.weights), load_file(written)
    assert given.keys() == found.keys()
    assert all(torch.equal(given[name], found[name]) for name in given)
    (tmp_path / "usual").touch()
    assert written.stat().st_mode == (tmp_path / "usual").stat().st_mode
    with safe_open(written, "pt") as file:
        metadata = file.metadata()
    assert json.loads(metadata["classes"]) == CLASSES
    assert json.loads(metadata["mean"]) == [0.4, 0.5, 0.6]
    assert json.loads(metadata["std"]) == [0.2, 0.25, 0.3]
    assert float(metadata["temperature"]) == TEMPERATURE
    assert (metadata["architecture"], metadata["size"], metadata["resize"]) == (
        "small_cnn",
        "8",
        "8",
    )
    assert metadata["format_version"] == "1"


@pytest.mark.parametrize(
    ("size", "resize", "expected"), [(32, None, 32), (224, None, 256), (64, 72, 72)]
)
def test_the_short_side_is_stated_as_pictures_are_resized(size, resize, expected):
    settings = settings_of("small_cnn", size, resize=resize)
    assert ModelFacts.of(settings, CLASSES, 1).resize == expected


@pytest.mark.parametrize(("name", "size"), [("small_cnn", 8), ("resnet18", 40)])
def test_onnx_equals_torch_for_any_number_of_pictures(packages, tmp_path, name, size):
    """70 pictures are a batch of 64 and one of 6; torch's come from pixels of 0 to 255."""
    import onnxruntime

    handed = Handed(tmp_path, name, size)
    facts = handed.write()
    assert facts["onnx"]["largest_difference"] < 1e-5
    assert facts["onnx"]["compared"] == 70
    assert facts["files"].keys() == {"model.safetensors", "model.onnx"}
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    [given], [returned] = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape[1:], given.type) == (
        "pictures",
        [3, size, size],
        "tensor(float)",
    )
    assert (returned.name, returned.shape[1:]) == ("probabilities", [len(CLASSES)])
    one = np.full((1, 3, size, size), 0.5, np.float32)
    [found] = session.run(None, {"pictures": one})
    assert found.sum() == pytest.approx(1)
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata == handed.model.metadata()
    assert b"exported_model.py" not in (tmp_path / "model.onnx").read_bytes()


def test_an_onnx_model_that_differs_is_refused_and_not_left_behind(packages, tmp_path):
    with pytest.raises(UserError, match=r"model\.onnx: .* differ by up to 0\.001 on 70 test"):
        Handed(tmp_path).write(shift=0.001)
    assert not list(tmp_path.glob("*.onnx*"))


def test_without_onnx_runtime_nothing_is_compared_and_the_facts_say_so(
    packages, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    facts = Handed(tmp_path).write(shift=0.001)
    assert facts["onnx"]["not_compared"] == (
        "onnxruntime is not installed: pip install onnxruntime"
    )
    assert (tmp_path / "model.onnx").is_file()


def test_without_onnx_the_rest_is_written_and_the_card_says_what_to_install(tmp_path, monkeypatch):
    for name in ("onnx", "onnxscript"):
        monkeypatch.setitem(sys.modules, name, None)
    card = Handed(tmp_path).card()
    line = "left out: onnx and onnxscript are not installed: pip install onnx onnxscript"
    assert f"| `model.onnx` | {line} |" in card
    assert "onnxruntime.Inference" not in card
    assert not (tmp_path / "model.onnx").exists()
    assert (tmp_path / "model.safetensors").is_file()


def test_a_net_whose_course_depends_on_its_input_is_left_out(packages, tmp_path):
    class Undecided(nn.Module):
        def forward(self, pictures: Tensor) -> Tensor:
            return pictures.mean((2, 3)) if pictures.sum() > 0 else pictures.amax((2, 3))

    model = ModelFacts.of(settings_of("small_cnn", 8), CLASSES, 1)
    path = tmp_path / "model.onnx"
    found = write_onnx(ExportedNet(Undecided(), model).eval(), model, path, lambda path: {})
    assert found["left_out"].startswith("torch cannot write small_cnn as ONNX (")
    assert "\n" not in found["left_out"]
    assert not path.exists()


def test_predictions_are_in_float32_whatever_the_training_was():
    settings = settings_of("small_cnn", 8)
    exact = in_float32(settings)
    assert exact.model.precision == "float32"
    assert msgspec.structs.replace(exact, model=settings.model) == settings


@pytest.mark.parametrize("count", [1, 2, 999, 1000, 1001, 5000])
def test_pictures_that_are_compared_lie_evenly_over_the_whole_set(count):
    found = spread_positions(count)
    assert len(found) == min(count, 1000)
    assert (found[0], found[-1]) == (0, count - 1)
    if count > 1:
        steps = np.diff(found)
        assert steps.max() - steps.min() <= 1


@pytest.mark.parametrize("name", ["small_cnn", "resnet18", "googlenet", "timm/resnet26"])
def test_the_lines_that_build_a_net_give_the_one_that_was_trained(name, monkeypatch):
    if name.startswith("timm"):
        pytest.importorskip("timm")
    monkeypatch.setattr(sys, "path", [*sys.path])
    built = building_of(name, 3)
    names: dict[str, Any] = {}
    exec(built.write("{imports}\n{prepared}\nnet = {net}"), names)
    expected = build_architecture(name, 3).state_dict()
    found = names["net"].state_dict()
    assert {k: v.shape for k, v in found.items()} == {k: v.shape for k, v in expected.items()}
    assert bool(built.prepared) == (name == "small_cnn")


def evaluated(path: Path, size: int, resize: int | None = None) -> NDArray[np.uint8]:
    """Return a picture as the evaluation sees it."""
    [picture] = find_pictures([path])
    found = view(picture, size, resize)
    assert not isinstance(found, str)
    return found


def blocks_of(card: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", card, re.S)


def test_a_cards_programs_say_what_the_model_says(packages, tmp_path, monkeypatch, capsys):
    handed = Handed(tmp_path, "resnet18", 40)
    card = handed.card()
    Image.fromarray(SizedSet.of(90, 1).read(0)).save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    reading, *running = blocks_of(card)
    printed = []
    for program in running:
        exec(f"{reading}\n{program}", {})
        label, share = capsys.readouterr().out.rsplit(maxsplit=1)
        printed.append((label, float(share)))
    predictor = Predictor(handed.weights, handed.settings, len(CLASSES), ExecutionSettings())
    seen = torch.from_numpy(evaluated(tmp_path / "photo.jpg", 40)).permute(2, 0, 1)[None]
    expected = probabilities(predictor.predict_pictures(seen), TEMPERATURE)[0]
    assert [label for label, _ in printed] == [CLASSES[expected.argmax()]] * 2
    np.testing.assert_allclose([share for _, share in printed], expected.max(), atol=0.01)


@pytest.mark.parametrize(("size", "resize"), [(8, None), (96, None), (64, 72)])
@pytest.mark.parametrize("shape", [(50, 40), (96, 96), (333, 517)])
def test_a_card_sees_pictures_as_the_evaluation_does(tmp_path, monkeypatch, size, resize, shape):
    monkeypatch.setitem(sys.modules, "onnx", None)
    handed = Handed(tmp_path)
    settings = settings_of("small_cnn", size, resize=resize)
    handed.settings, handed.model = settings, ModelFacts.of(settings, CLASSES, 1)
    [reading, _] = blocks_of(handed.card())
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    waves = np.stack([rows / 9 + columns / 7, columns / 5, rows / 11], axis=-1)
    picture = (127 + 100 * np.sin(waves)).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(reading, names)
    expected = evaluated(tmp_path / "photo.jpg", size, resize)
    off = abs(names["pictures"][0] * 255 - expected.transpose(2, 0, 1))
    assert off.max() < 1.5


def test_a_card_says_of_each_figure_how_it_is_known(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    card = Handed(tmp_path).card()
    figures = card.partition("## Figures")[2].partition("##")[0].strip().splitlines()[2:]
    assert len(figures) == 8
    assert all("measured" in line.split("|")[3] for line in figures)
    assert "60.00 %, ± 10.00 %" in figures[1]
    assert "25.00 % (measured: counted on 40 verified labels, 95 % interval 20.00 % to" in card
    assert r"\_cat\_, " in card
    assert r'"dog" \| 狗' in card
    assert "| Mp, pretrained on noisy | 2 of noisy | 80 |" in card
    assert "| MCT | 3 of noisy | 130 |" in card
    assert "weights `start.pt`" in card
    assert "somebody" not in card


def test_accuracy_has_wilsons_interval_and_the_shares_of_classes():
    labels = np.arange(100) % 2
    logits = np.eye(3)[np.where(np.arange(100) < 90, labels, 1 - labels)]
    found = handover.measure_accuracy((logits, labels))
    assert (found["top1"], found["correct"], found["pictures"]) == (0.9, 90, 100)
    assert (found["lower"], found["upper"]) == pytest.approx((0.8256, 0.9448), abs=1e-4)
    assert found["per_class"] == [0.9, 0.9, None]


def test_one_seed_has_no_spread():
    one = handover.summarise_seeds(dict(list(EVALUATIONS.items())[:1]))
    assert (one["mean"], one["sd"], one["seeds"]) == (0.5, None, [0])


def test_epochs_are_named_with_the_set_they_are_counted_in():
    settings = {"constant_epochs": {"noisy": 1.0}, "decay_epochs": {"noisy": 3.375, "clean": 2}}
    assert handover.describe_epochs(settings) == "1 of noisy + 3.375 of noisy + 2 of clean"
