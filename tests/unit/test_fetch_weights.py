"""Weights of a library come from its own cache or the network; a line says how to bring them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.models import get_model, get_model_weights

from mct.base.files import file_digest
from mct.learning.models import build_model, start_from
from mct.learning.settings import ModelSettings

PROJECT = Path(__file__).parents[2]
PROGRAM = PROJECT / "workflow/scripts/fetch_weights.py"
CLASSES = 3


def fetch(name: str, folder: Path) -> subprocess.CompletedProcess:
    """Run the program for a net, with the libraries' caches in a folder and no network."""
    caches = {"TORCH_HOME": folder / "torch", "HF_HOME": folder / "hub", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, PROGRAM, "--name", name, "--weights", folder / "start.safetensors"]
    command += ["--record", folder / "start.json"]
    environment = {**os.environ, **{key: str(value) for key, value in caches.items()}}
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, env=environment
    )


def fill_torchs_cache(name: str, folder: Path) -> nn.Module:
    """Put weights of a net made by seed where torchvision looks for those of its own."""
    torch.manual_seed(1)
    net = get_model(name, weights=None)
    file = folder / "torch/hub/checkpoints" / get_model_weights(name).DEFAULT.url.rpartition("/")[2]
    file.parent.mkdir(parents=True)
    torch.save(net.state_dict(), file)
    return net


def fill_hubs_cache(name: str, folder: Path) -> nn.Module:
    """Put weights of a net made by seed where the hub's client looks for timm's."""
    torch.manual_seed(1)
    net = timm.create_model(name)
    repository = net.pretrained_cfg["hf_hub_id"].replace("/", "--")
    cached = folder / f"hub/hub/models--{repository}"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs/main").write_text("0" * 40)
    (cached / "snapshots" / ("0" * 40)).mkdir(parents=True)
    save_file(net.state_dict(), cached / "snapshots" / ("0" * 40) / "model.safetensors")
    return net


@pytest.mark.filterwarnings("ignore:The default weight initialization:FutureWarning")
@pytest.mark.parametrize(
    ("name", "fill", "tag"),
    [
        ("resnet18", fill_torchs_cache, "IMAGENET1K_V1"),
        ("inception_v3", fill_torchs_cache, "IMAGENET1K_V1"),
        ("tf_efficientnet_lite0", fill_hubs_cache, "in1k"),
    ],
)
def test_a_librarys_weights_are_written_with_a_record(tmp_path, name, fill, tag):
    net = fill(name, tmp_path)
    run = fetch(name, tmp_path)
    assert run.returncode == 0, run.stderr
    file, record = tmp_path / "start.safetensors", json.loads((tmp_path / "start.json").read_text())
    assert record["pretrained"]["tag"] == tag
    assert record["sha256"] == file_digest(file)
    written, expected = load_file(file), net.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in written.items())
    settings = ModelSettings(name=name, initial_weights="imagenet", precision="float32")
    model = build_model(settings, CLASSES, 299, 0, [file])
    given = start_from(file, model, keep_classifier=False)
    assert len(given) == len(model.state_dict()) - 2
    assert torch.equal(next(model.parameters()), next(net.parameters()))


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0"])
def test_without_a_network_a_line_says_how_to_bring_them(tmp_path, name):
    run = fetch(name, tmp_path)
    assert run.returncode == 2
    [line] = [text for text in run.stderr.splitlines() if text.startswith("error: ")]
    assert f"the weights of {name} cannot be fetched here" in line
    assert f"`model: {{initial_weights: {name}.pt}}`" in line
    assert not (tmp_path / "start.safetensors").exists()
    # The command that it names, where the weights are to be had.
    net = fill_hubs_cache(name, tmp_path)
    command = (
        line.partition("run: ")[2].partition("; bring ")[0].replace("python", sys.executable, 1)
    )
    caches = {"HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    subprocess.run(command, shell=True, cwd=tmp_path, env={**os.environ, **caches}, check=True)
    brought = torch.load(tmp_path / f"{name}.pt", weights_only=True)
    assert all(torch.equal(brought[key], value) for key, value in net.state_dict().items())
