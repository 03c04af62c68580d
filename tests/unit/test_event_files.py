"""Curves of trainings as event files of TensorBoard."""

import numpy as np
import pytest

from mct.base.errors import UserError
from mct.command.tensorboard import epochs_of
from mct.results.event_files import EVENT_FILES, tags, write_events

COLUMNS = ("epoch", "agreement", "loss_auxiliary", "loss_primary", "validation_accuracy")
TABLE = dict(zip(COLUMNS, np.array([[1, 2, 3], [0.5, 0.25, 1], [3, 2, 1], [6, 5, 4],
                                    [np.nan, 0.5, np.nan]]), strict=True))  # fmt: skip


def test_figures_of_a_pair_are_in_groups():
    assert tags(TABLE) == {
        "agreement": "agreement",
        "loss/auxiliary": "loss_auxiliary",
        "loss/primary": "loss_primary",
        "validation_accuracy": "validation_accuracy",
    }


def test_each_training_has_a_folder_of_its_own(tmp_path):
    path = tmp_path / "models/digits/mct/seed0_ranks2/epochs.tsv"
    path.parent.mkdir(parents=True)
    path.touch()
    assert epochs_of(tmp_path) == {tmp_path / "tensorboard/digits/mct/seed0_ranks2": path}


def test_without_the_package_one_line_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr("mct.base.packages.find_spec", lambda name: None)
    with pytest.raises(UserError, match="tensorboard is not installed: pip install tensorboard"):
        write_events({tmp_path: TABLE})


def test_events_have_the_figures_of_their_epochs_once(tmp_path):
    pytest.importorskip("tensorboard", reason="needs the package tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for _ in range(2):
        write_events({tmp_path / "one": TABLE})
    assert len(list((tmp_path / "one").glob(EVENT_FILES))) == 1
    events = EventAccumulator(str(tmp_path / "one")).Reload()
    found = {
        tag: [(each.step, float(each.tensor_proto.float_val[0])) for each in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
    }
    assert found == {
        "agreement": [(1, 0.5), (2, 0.25), (3, 1)],
        "loss/auxiliary": [(1, 3), (2, 2), (3, 1)],
        "loss/primary": [(1, 6), (2, 5), (3, 4)],
        "validation_accuracy": [(2, 0.5)],
    }
