"""Sums over steps and epochs, on a world of one rank."""

import h5py
import numpy as np
import pytest
from mpi4py import MPI

from mct.base.files import write_arrays
from mct.learning.loop import History, write_epochs

SHAPES = {"loss": (), "selected": (2, 3), "pure": (2,)}
EPOCHS = np.array([0, 0, 0, 1, 1])


def step(number: int) -> dict[str, object]:
    """Return the quantities of a step as functions of its number."""
    return {
        "loss": float(number),
        "selected": number * np.arange(6).reshape(2, 3),
        "pure": [number, -number],
    }


def recorded(steps: int = 5, reduced_after: tuple[int, ...] = ()) -> History:
    """Return a history of steps 0, 1, ..., reduced after some of them and at the end."""
    history = History(SHAPES)
    for number in range(steps):
        history.add(step(number))
        if number in reduced_after:
            history.reduce(MPI.COMM_SELF)
    history.reduce(MPI.COMM_SELF)
    return history


@pytest.mark.parametrize("reduced_after", [(), (0,), (1, 3), (0, 1, 2, 3, 4)])
def test_steps_come_back_however_often_they_were_reduced(reduced_after):
    arrays = recorded(5, reduced_after).arrays()
    for name, shape in SHAPES.items():
        assert arrays[name].shape == (5, *shape)
        np.testing.assert_array_equal(arrays[name], np.stack([step(i)[name] for i in range(5)]))


@pytest.mark.parametrize("reduced_after", [(), (0,), (1, 3), (0, 1, 2, 3, 4)])
def test_sums_of_the_last_steps_do_not_depend_on_when_they_were_reduced(reduced_after):
    history = recorded(4, reduced_after)
    history.add(step(4))
    restored = History(SHAPES)
    restored.restore(recorded(4).steps)
    restored.add(step(4))
    for recording in (history, restored):
        for count, total in ((3, 2 + 3 + 4), (5, 10), (1, 4), (0, 0)):
            sums = recording.last_sums(MPI.COMM_SELF, count)
            for name in SHAPES:
                np.testing.assert_array_equal(sums[name], step(total)[name])


def test_a_number_counts_for_every_entry_of_its_quantity():
    history = History({"count": (2, 2)})
    history.add({"count": 3})
    assert history.last_sums(MPI.COMM_SELF, 1)["count"].tolist() == [[3, 3], [3, 3]]


def test_a_quantity_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="broadcast"):
        History(SHAPES).add({**step(0), "pure": [1, 2, 3]})


def test_epochs_are_sums_of_their_steps():
    sums = recorded().epoch_sums(EPOCHS)
    for name in SHAPES:
        expected = np.stack([step(0 + 1 + 2)[name], step(3 + 4)[name]])
        np.testing.assert_array_equal(sums[name], expected)


def test_a_restored_history_goes_on_where_it_was():
    history = History(SHAPES)
    history.add(step(99))
    history.restore(recorded(3).steps)
    for number in (3, 4):
        history.add(step(number))
    history.reduce(MPI.COMM_SELF)
    np.testing.assert_array_equal(history.steps, recorded(5).steps)


def test_epochs_are_written_from_one_with_their_figures(tmp_path):
    path = tmp_path / "epochs.tsv"
    write_epochs(path, recorded(), EPOCHS, lambda sums: {"loss": sums["loss"], "third": 1 / 3})
    assert path.read_text() == "epoch\tloss\tthird\n1\t3\t0.333333\n2\t7\t0.333333\n"


def test_no_step_makes_a_header_and_empty_arrays(tmp_path):
    history = History(SHAPES)
    history.reduce(MPI.COMM_SELF)
    assert history.arrays()["selected"].shape == (0, 2, 3)
    write_epochs(tmp_path / "epochs.tsv", history, EPOCHS[:0], dict)
    assert (tmp_path / "epochs.tsv").read_text() == "epoch\n"


def test_arrays_are_read_back_with_their_attributes(tmp_path):
    arrays = {**recorded().arrays(), "empty": np.zeros((0, 3)), "key": np.array([b"a", b"bc"])}
    write_arrays(tmp_path / "history.h5", arrays, {"axes": "step"})
    with h5py.File(tmp_path / "history.h5") as file:
        assert dict(file.attrs) == {"axes": "step"}
        assert set(file) == set(arrays)
        for name, values in arrays.items():
            np.testing.assert_array_equal(file[name][()], values)
