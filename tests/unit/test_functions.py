"""What is wrong with a layout, a method or a net of one's own is said in a line, most of it by the plan."""

from pathlib import Path

import numpy as np
import pytest
import torch
from samples import dataset_settings

from mct.base.architectures import ARCHITECTURES, Architecture
from mct.base.errors import UserError
from mct.base.functions import check_name, of_shape, open_function
from mct.data.layouts.registry import LAYOUTS, layout_module, open_layout
from mct.experiment.baselines import BASELINES, Baseline
from mct.experiment.experiment import Experiment
from mct.experiment.methods import METHODS, TRAININGS
from mct.experiment.pair import Calibration
from mct.learning.models import build_architecture
from mct.learning.objectives import _label_loss

MODULE = """
import torch
from mct.data.layouts.base import Layout

class Half(Layout):
    def class_names(self):
        return []

def layout(settings):
    return None

def net(classes):
    return torch.nn.Linear(3, classes + 1)

def nothing(*inputs):
    return None

def mean_loss(logits, labels):
    return logits.mean()
"""
WRONG = {
    "mct.learning.losses.cross_entropy": "expected a function as `module:function`",
    "mct.learning.losses:": "expected a function as `module:function`",
    "mct.learning.loses:cross_entropy": "no such module: mct.learning.loses; correct the name",
    "nowhere.at.all:loss": "no such module: nowhere.at.all",
    "mct.learning.losses:cross_entrop": "losses.py has no cross_entrop; did you mean `cross_entropy`",
    "broken:loss": r"broken\.py: not Python: .*line 1",
}


@pytest.fixture(autouse=True)
def _modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put modules of a user's own on Python's path."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_things.py").write_text(MODULE)
    (tmp_path / "broken.py").write_text("def loss(:\n")
    (tmp_path / "raises.py").write_text("def loss(): ...\n\nloss().x\n")


@pytest.mark.parametrize(("name", "message"), WRONG.items())
def test_a_name_without_a_function_is_refused_without_an_import(name, message):
    with pytest.raises(UserError, match=message) as raised:
        check_name(name)
    assert str(raised.value).startswith(f"{name}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", WRONG)
def test_the_plan_finds_wrong_names_of_methods_and_nets_and_layouts(name, monkeypatch, tmp_path):
    method = Baseline(name="own", title="Own", training_set="noisy", loss=name)
    for table in (BASELINES, METHODS, TRAININGS):
        monkeypatch.setitem(table, "own", method)
    monkeypatch.setitem(ARCHITECTURES, "own", Architecture(8, name))
    monkeypatch.setitem(LAYOUTS, "own", name)
    experiment = Experiment({"results": str(tmp_path)})
    for section in ({"methods": ["own"]}, {"model": {**experiment.config["model"], "name": "own"}}):
        experiment.config |= section
        with pytest.raises(UserError, match=WRONG[name]):
            experiment.check_paths()
        experiment.config["methods"] = ["mct"]
    with pytest.raises(UserError, match=WRONG[name]):
        layout_module("own")


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (Calibration(name="own", title="O", changes={"temprature": 2}), "no 'temprature'; correct"),
        (Calibration(name="own", title="O", section="nowhere"), "no 'nowhere'; correct"),
        (
            Calibration(name="own", title="O", changes={"targets": "sof"}),
            "'sof' - at `\\$.targets`",
        ),
        (Baseline(name="own", title="O", training_set="noisy", section="mct"), "no 'mct'; correct"),
    ],
)
def test_the_plan_finds_keys_that_a_method_has_wrong(own, message, monkeypatch, tmp_path):
    for table in (METHODS, TRAININGS):
        monkeypatch.setitem(table, "own", own)
    experiment = Experiment({"results": str(tmp_path)})
    experiment.config["methods"] = ["own"]
    with pytest.raises(UserError, match=message):
        experiment.check_paths()


def test_a_module_that_raises_is_named_with_the_line():
    check_name("raises:loss")
    expected = r"raises:loss: cannot be imported: AttributeError: .* \(.*raises\.py, line 3\)$"
    with pytest.raises(UserError, match=expected):
        open_function("raises:loss")


@pytest.mark.parametrize(("name", "lacks"), [("Half", "clean_source"), ("layout", "class_names")])
def test_what_is_no_layout_says_what_it_lacks(name, lacks, monkeypatch):
    monkeypatch.setitem(LAYOUTS, "own", f"own_things:{name}")
    with pytest.raises(UserError, match=f"own_things:{name}: expected a class .* lacks {lacks}"):
        open_layout(dataset_settings(layout="own"))


@pytest.mark.parametrize(
    ("name", "got"), [("net", r"Linear .*\[\(11, 3\), \(11,\)\]"), ("nothing", r"NoneType .*\[\]")]
)
def test_a_net_for_other_classes_is_refused(name, got, monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "own", Architecture(8, f"own_things:{name}"))
    with pytest.raises(UserError, match=f"own_things:{name}: .* for 10 classes, got {got}"):
        build_architecture("own", 10)


@pytest.mark.parametrize(("name", "got"), [("mean_loss", r"\(\)"), ("nothing", r"\('NoneType',\)")])
def test_a_loss_of_another_shape_is_refused(name, got):
    loss = _label_loss(f"own_things:{name}", None)
    with pytest.raises(UserError, match=rf"own_things:{name}: .* of shape \(4,\), got {got}"):
        loss(torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64))


def test_results_of_the_right_shape_pass():
    masks = np.ones((2, 5), bool)
    assert of_shape(masks, (2, 5), "own") is masks
