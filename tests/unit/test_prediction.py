"""What a trained model gives for a whole set."""

from pathlib import Path

import numpy as np
import pytest
import torch
from samples import CLASSES, pixel_set
from torch import nn

from mct.data.settings import ImageSettings
from mct.learning.models import build_model, save_weights
from mct.learning.prediction import BATCH_SIZE, Predictor
from mct.learning.settings import EvaluationSettings, ModelSettings
from mct.stage.compute import choose_compute
from mct.stage.settings import ExecutionSettings

SETTINGS = EvaluationSettings(
    images=ImageSettings(size=8, augmentation="none", mean=(0.5,) * 3, std=(0.25,) * 3),
    model=ModelSettings(name="small_cnn", initial_weights=None, precision="float32"),
)


@pytest.fixture
def predictor(tmp_path: Path) -> Predictor:
    path = tmp_path / "model.safetensors"
    save_weights(build_model(SETTINGS.model, CLASSES, 8, seed=0), path)
    execution = ExecutionSettings(device="cpu", prefetch_batches=2)
    compute = choose_compute("float32", execution)
    return Predictor(path, SETTINGS, CLASSES, compute, execution)


@pytest.mark.parametrize("count", [0, 5, BATCH_SIZE + 3])
def test_features_are_what_the_classifier_takes(predictor: Predictor, tmp_path: Path, count: int):
    """Of every picture of the set, in its order."""
    features, (logits, _) = (
        predictor.features(pixel_set(count)),
        predictor.predict(pixel_set(count)),
    )
    model = build_model(SETTINGS.model, CLASSES, 8, seed=0)
    [classifier] = [part for part in model.modules() if isinstance(part, nn.Linear)]
    with torch.inference_mode():
        expected = classifier(torch.from_numpy(features)).numpy()
    assert features.shape == (count, classifier.in_features)
    np.testing.assert_allclose(expected, logits, rtol=1e-5, atol=1e-6)
