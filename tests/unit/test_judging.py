"""Labels judged by a posterior by hand, by pairs of models, and the files of judgements."""

import numpy as np
import pytest
import torch
from samples import pixel_set

from mct.base.errors import UserError
from mct.calibration.judges import Judges, judge_set
from mct.labels.judging import FIELDS, Judgement, join, judge, read_judgements, write_judgement
from mct.labels.posterior import posterior

CONFUSION = np.array([[0.8, 0.2, 0.0], [0.1, 0.9, 0.0], [0.0, 0.5, 0.5]])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_posterior_weighs_predictions_by_how_labels_are_confused(dtype):
    predictions = torch.tensor([[0.5, 0.25, 0.25], [0.6, 0.2, 0.2]], dtype=dtype)
    found = posterior(predictions.log(), torch.tensor([1, 0]), torch.from_numpy(CONFUSION))
    joint = np.array([[0.5 * 0.2, 0.25 * 0.9, 0.25 * 0.5], [0.6 * 0.8, 0.2 * 0.1, 0.0]])
    expected = torch.from_numpy(joint / joint.sum(axis=1, keepdims=True)).to(dtype)
    torch.testing.assert_close(found, expected)


def test_a_label_that_no_class_can_have_says_nothing():
    predictions = torch.tensor([[0.9, 0.1, 0.0]])
    impossible = torch.from_numpy(CONFUSION), torch.tensor([2])
    found = posterior(predictions.log(), impossible[1], impossible[0])
    torch.testing.assert_close(found, predictions)


def judgement() -> tuple[Judgement, np.ndarray]:
    posterior = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.0, 0.1, 0.9], [0.5, 0.4, 0.1]])
    observed = np.array([0, 1, 0, 1])
    return judge(posterior, observed), observed


def test_labels_are_judged_by_the_posterior():
    found, _ = judgement()
    np.testing.assert_allclose(found.wrong, [0.3, 0.7, 1.0, 0.6])
    np.testing.assert_array_equal(found.proposed, [0, 2, 2, 0])
    np.testing.assert_allclose(found.certainty, [0.7, 0.6, 0.9, 0.5])


def test_parts_of_a_set_are_joined_in_their_order():
    found, _ = judgement()
    parts = [
        Judgement(
            wrong=found.wrong[part], proposed=found.proposed[part], certainty=found.certainty[part]
        )
        for part in (slice(0, 3), slice(3, 4))
    ]
    for name in ("wrong", "proposed", "certainty"):
        np.testing.assert_array_equal(getattr(join(parts), name), getattr(found, name))


class Constant:
    """A model that predicts the same for every picture, given by its logits."""

    def __init__(self, *logits: float) -> None:
        self._logits = np.array(logits, np.float32)

    def predict(self, image_set):
        count = len(image_set)
        shift = (image_set.sample % 5 / 5)[:, None]
        return np.tile(self._logits, (count, 1)) * shift, image_set.label


def test_a_set_is_judged_by_the_mean_of_all_pairs_a_part_at_a_time(monkeypatch):
    pairs = [
        [Constant(2, 0, 1), Constant(0, 1, 0)],
        [Constant(0, 3, 0), Constant(1, 1, 4)],
    ]
    juries = [Judges(pair=pair, confusion=CONFUSION) for pair in pairs]
    image_set = pixel_set(7)
    whole = judge_set(image_set, juries)
    expected = np.mean([judges.posterior(image_set) for judges in juries], axis=0)
    np.testing.assert_allclose(whole.wrong, 1 - expected[np.arange(7), image_set.observed])
    monkeypatch.setattr("mct.calibration.judges.PICTURES_AT_A_TIME", 3)
    parts = judge_set(image_set, juries)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    assert len(judge_set(image_set.take(np.arange(0)), juries).wrong) == 0


def test_judgements_of_shards_come_back_in_the_order_of_the_set(tmp_path):
    sample = np.arange(5) * 10
    found = Judgement(
        wrong=np.arange(5) / 5, proposed=np.arange(5) % 3, certainty=np.arange(5) / 10
    )
    paths = [tmp_path / name for name in ("0.h5", "1.h5")]
    for path, places in zip(paths, ([4, 1], [0, 2, 3]), strict=True):
        part = Judgement(**{name: getattr(found, name)[places] for name in FIELDS})
        write_judgement(sample[places], part, path)
    back = read_judgements(sample, paths)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(back, name), getattr(found, name))
    with pytest.raises(UserError, match="judgements of other pictures"):
        read_judgements(sample, paths[:1])
    paths[1].write_bytes(b"no HDF5")
    with pytest.raises(UserError, match=r"1\.h5: cannot be read .* delete it and rerun"):
        read_judgements(sample, paths)
