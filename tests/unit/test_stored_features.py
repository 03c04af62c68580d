"""Features that are stored: computed once by a frozen net, and learned from in place of pictures."""

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from mpi4py import MPI
from samples import CLASSES, write_labelled

from mct.base.errors import UserError
from mct.base.partition import GlobalBatch
from mct.data.feature_files import write_features
from mct.data.imagesets import ImageSet, open_set
from mct.data.loading import BatchReader
from mct.data.settings import ImageSettings
from mct.data.shards import Shard, open_shard
from mct.experiment.combinations import check_frozen
from mct.learning.learner import Learner
from mct.learning.models import build_model, save_weights
from mct.learning.prediction import Predictor
from mct.learning.settings import EvaluationSettings, ModelSettings, OptimizerSettings
from mct.learning.stored_features import FeatureExtractor, set_of_shard
from mct.stage.compute import Compute
from mct.stage.settings import ExecutionSettings

EXECUTION = ExecutionSettings(device="cpu")
COMPUTE = Compute(device=torch.device("cpu"), dtype=torch.float32)
MODEL = ModelSettings(name="small_cnn", trainable="classifier", precision="float32")
WHOLE_SET = GlobalBatch(step=0, epoch=0, start=0, stop=10)


def image_settings(views: int, augmentation: str = "crop") -> ImageSettings:
    return ImageSettings(
        size=8, augmentation=augmentation, feature_views=views, mean=(0.5,) * 3, std=(0.25,) * 3
    )


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "start.safetensors"
    model = build_model(ModelSettings(name="small_cnn", precision="float32"), CLASSES, 8, seed=3)
    save_weights(model, path)
    return path


def extract(shard: Shard, weights: Path, images: ImageSettings, path: Path) -> None:
    settings = EvaluationSettings(images=images, model=MODEL)
    net = FeatureExtractor(settings, CLASSES, [weights], EXECUTION, COMPUTE)
    batches = net.features(set_of_shard(shard))
    write_features(path, shard, batches, (images.feature_views, *net.shape))


def stored(folder: Path, weights: Path, images: ImageSettings, shards: int = 2) -> Path:
    """Write shards and their features as a workflow lays them out; return the table of labels."""
    labels = write_labelled(folder / "shards/made", "pixels", shards)
    for path in sorted(labels.parent.glob("*.h5")):
        extract(open_shard(path), weights, images, folder / "features/made" / path.name)
    return labels


def by_key(image_set: ImageSet, rows: np.ndarray) -> dict[bytes, bytes]:
    return dict(zip(image_set.keys().tolist(), map(np.ndarray.tobytes, rows), strict=True))


@pytest.mark.parametrize(("trainable", "learning"), [("classifier", 2), (1, 5)])
def test_learning_from_features_is_learning_the_rest(
    tmp_path: Path, weights: Path, monkeypatch, trainable: object, learning: int
):
    """The same logits, loss and gradients as where the frozen part is computed in the step."""
    monkeypatch.setattr(f"{__name__}.MODEL", msgspec.structs.replace(MODEL, trainable=trainable))
    images = image_settings(1, "none")
    labels = stored(tmp_path, weights, images)
    found = []
    for features in (True, False):
        image_set = open_set("noisy", labels, features=features)
        learner = Learner(
            build_model(MODEL, CLASSES, 8, 0, [weights]), compute=COMPUTE, comm=MPI.COMM_SELF,
            images=images, optimizer=OptimizerSettings(batch_size=10), execution=EXECUTION,
        )  # fmt: skip
        batch = BatchReader(image_set, images, seed=1).read(WHOLE_SET)
        logits = learner.forward(batch.images, key=0)
        learner.differentiate(torch.nn.functional.cross_entropy(logits, batch.labels))
        gradients = [p.grad for p in learner.model.parameters() if p.requires_grad]
        found.append([logits.detach(), *gradients])
    assert len(found[0]) == 1 + learning
    for of_features, of_pictures in zip(*found, strict=True):
        torch.testing.assert_close(of_features, of_pictures, rtol=1e-5, atol=1e-6)


def test_predictions_from_features_are_those_from_pictures(tmp_path: Path, weights: Path):
    """Also with several views: an evaluation sees the first, which is not augmented."""
    images = image_settings(3)
    labels = stored(tmp_path, weights, images)
    settings = EvaluationSettings(images=images, model=MODEL)
    predictor = Predictor(weights, settings, CLASSES, EXECUTION, COMPUTE)
    found = [
        predictor.predict(open_set("test", labels, features=features))[0]
        for features in (True, False)
    ]
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-6)


def test_views_differ_and_all_of_them_are_drawn(tmp_path: Path, weights: Path):
    images = image_settings(4, "crop_flip")
    labels = stored(tmp_path, weights, images)
    image_set = open_set("noisy", labels, features=True)
    views = image_set.read_many(np.arange(10))
    [shown, *_] = [at for at in range(10) if len({view.tobytes() for view in views[at]}) == 4]
    reader, drawn = BatchReader(image_set, images, seed=1), set()
    for epoch in range(20):
        batch = reader.read(GlobalBatch(step=epoch, epoch=epoch, start=0, stop=10))
        place = int(np.flatnonzero(batch.positions == shown)[0])
        seen = batch.images[place].numpy()
        drawn |= {v for v in range(4) if np.array_equal(views[shown, v], seen)}
    assert drawn == {0, 1, 2, 3}


def test_features_depend_on_a_picture_and_not_on_its_shard(tmp_path: Path, weights: Path):
    """Nor on its labels or its number in the set, which may change."""
    found = []
    for shards in (1, 3):
        labels = stored(tmp_path / str(shards), weights, image_settings(2), shards)
        image_set = open_set("noisy", labels, features=True)
        found.append(by_key(image_set, image_set.read_many(np.arange(10))))
    assert found[0] == found[1]


def test_features_of_another_shard_are_refused(tmp_path: Path, weights: Path):
    labels = stored(tmp_path, weights, image_settings(1))
    folder = tmp_path / "features/made"
    shutil.copy(folder / "0-0000.h5", folder / "0-0001.h5")
    with pytest.raises(UserError, match=r"0-0001\.h5: features of another shard"):
        open_set("noisy", labels, features=True)


def test_features_of_other_views_are_refused(tmp_path: Path, weights: Path):
    labels = stored(tmp_path, weights, image_settings(1))
    path = tmp_path / "features/made/0-0001.h5"
    extract(open_shard(labels.parent / path.name), weights, image_settings(2), path)
    with pytest.raises(
        UserError, match=r"0-0001\.h5: expected features of shape \(1, 128\).*got \(2, 128\)"
    ):
        open_set("union", labels, features=True)


def test_a_flipped_byte_of_a_feature_is_found(tmp_path: Path, weights: Path):
    labels = stored(tmp_path, weights, image_settings(1), shards=1)
    path = tmp_path / "features/made/0-0000.h5"
    data = bytearray(path.read_bytes())
    data[open_shard(path).payload_start + 5] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"0-0000\.h5: picture key-.*: wrong checksum"):
        open_set("union", labels, features=True).read_many(np.arange(12))


@pytest.mark.parametrize(
    ("model", "images", "message"),
    [
        ({"trainable": 2}, {}, "model.trainable: 2 leaves the rest of the net as it starts"),
        (
            {"initial_weights": "w"},
            {"feature_views": 2},
            "classifier, or to a number of stages, got all",
        ),
        (
            {"initial_weights": "w", "trainable": "classifier"},
            {"feature_views": 2, "strong_augmentation": 0.5},
            "stored features have no strong views",
        ),
    ],
)
def test_what_does_not_go_with_features_ends_in_a_line(model: dict, images: dict, message: str):
    with pytest.raises(UserError, match=message):
        check_frozen(configuration(model=model, images=images))


def configuration(**changes: dict) -> dict:
    sections: dict[str, dict] = {
        "model": {"trainable": "all", "initial_weights": None, "keep_classifier": False},
        "images": {"feature_views": 0, "strong_augmentation": 0},
        "optimizer": {"norm_statistics": "block"}, "pretraining": {"classifier_epochs": 0},
    }  # fmt: skip
    return {name: section | changes.get(name, {}) for name, section in sections.items()}


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("optimizer", "norm_statistics", "stored"),
        ("pretraining", "classifier_epochs", 1),
        ("model", "keep_classifier", True),
    ],
)
def test_what_needs_weights_is_refused_at_a_random_start(section: str, key: str, value: object):
    with pytest.raises(
        UserError, match=rf"{section}\.{key}: is for a net that starts from weights"
    ):
        check_frozen(configuration(**{section: {key: value}}))
    given = configuration(**{section: {key: value}})
    given["model"]["initial_weights"] = "start.safetensors"
    check_frozen(given)


def test_a_net_that_cannot_be_divided_ends_in_a_line(tmp_path: Path, weights: Path, monkeypatch):
    monkeypatch.setattr("mct.learning.trunk.trace", lambda model: None)
    labels = write_labelled(tmp_path / "shards/made")
    shard = open_shard(labels.parent / "0-0000.h5")
    with pytest.raises(UserError, match="small_cnn cannot be divided into a frozen part"):
        extract(shard, weights, image_settings(1), tmp_path / "features.h5")
