"""A model that diverged is not evaluated, and nothing is estimated with it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from msgspec.structs import replace
from samples import CLASSES, write_labelled

from mct.base.errors import UserError
from mct.base.keys import parse
from mct.experiment.configuration import resolve
from mct.experiment.method import evaluation_sections
from mct.learning.models import build_architecture, save_weights
from mct.learning.prediction import Predictor
from mct.learning.settings import EvaluationSettings
from mct.stage.settings import ExecutionSettings

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
CONFIG = resolve({"execution": {"device": "cpu"}})


def weights_of(folder: Path, value: float) -> Path:
    """Return a file of weights that all have a value."""
    model = build_architecture(CONFIG["model"]["name"], CLASSES)
    for parameter in model.parameters():
        parameter.data.fill_(value)
    save_weights(model, folder / "primary.safetensors")
    return folder / "primary.safetensors"


@pytest.mark.parametrize("program", ["evaluate_model", "estimate_noise_by_models"])
def test_a_model_of_no_numbers_ends_in_a_line(tmp_path: Path, program: str):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    settings, own = evaluation_sections(CONFIG), {}
    if program == "evaluate_model":
        own = {"--split": "test"}
    else:
        settings |= {"samples": 5, "seed": 0}
    options = {
        "--stage": "test", "--ranks": 1, "--checkpoints": tmp_path / "kept",
        "--settings": json.dumps(settings), "--execution": tmp_path / "config.yaml", **own,
        "--labels": write_labelled(tmp_path), "--weights": weights_of(tmp_path, np.nan),
        "--output": tmp_path / "found.json",
    }  # fmt: skip
    words = [str(part) for pair in options.items() for part in pair]
    job = subprocess.run(
        [sys.executable, SCRIPTS / f"{program}.py", *words],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert job.returncode == 2
    assert job.stderr.startswith(
        f"error: {tmp_path}/primary.safetensors: expected finite weights, got NaN"
    )
    assert not (tmp_path / "found.json").exists()


def test_predictions_that_overflow_are_refused(tmp_path: Path):
    """The weights are numbers, what they make of a picture is none."""
    settings = parse(EvaluationSettings, evaluation_sections(CONFIG))
    settings = replace(settings, model=replace(settings.model, precision="float32"))
    weights = weights_of(tmp_path, 3e38)
    predictor = Predictor(weights, settings, CLASSES, ExecutionSettings())
    with pytest.raises(UserError, match=f"{weights}: .* diverged; lower its learning rate"):
        predictor.predict_pictures(torch.zeros((2, 3, 8, 8), dtype=torch.uint8))
