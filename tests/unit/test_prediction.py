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
    return Predictor(path, SETTINGS, CLASSES, execution)


@pytest.mark.parametrize("count", [0, 5, BATCH_SIZE + 3])
def test_features_are_what_the_classifier_takes(predictor: Predictor, tmp_path: Path, count: int):
    """Of every picture of the set, in its order."""
    found = predictor.features(pixel_set(count))
    features = np.concatenate([np.empty((0, predictor.feature_width), np.float32), *found])
    logits, _ = predictor.predict(pixel_set(count))
    model = build_model(SETTINGS.model, CLASSES, 8, seed=0)
    [classifier] = [part for part in model.modules() if isinstance(part, nn.Linear)]
    with torch.inference_mode():
        expected = classifier(torch.from_numpy(features)).numpy()
    assert features.shape == (count, classifier.in_features)
    np.testing.assert_allclose(expected, logits, rtol=1e-5, atol=1e-6)


def test_predicting_normalises_pictures_and_is_in_evaluation_mode(tmp_path: Path):
    """In evaluation batch norm has its running statistics, not those of a batch."""
    model = build_model(SETTINGS.model, CLASSES, 8, seed=1)
    for buffer in model.buffers():
        buffer.add_(1)
    save_weights(model, tmp_path / "model.safetensors")
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (6, 3, 8, 8), generator=generator, dtype=torch.uint8)
    execution = ExecutionSettings(device="cpu")
    predictor = Predictor(tmp_path / "model.safetensors", SETTINGS, CLASSES, execution)
    logits = predictor.predict_pictures(images)
    with torch.inference_mode():
        expected = model.eval()((images / 255 - 0.5) / 0.25)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)
