"""What figures are drawn from."""

import numpy as np
import pytest

from mct.base.errors import UserError
from mct.results.figures import (
    Quality,
    draw_accuracies,
    draw_selection,
    mean_of_known,
    measure_selection,
    read_epochs,
)
from mct.results.plotting import plt, save_figure

TITLES = {"noise_only": "Noise only", "mct": "MCT"}


def test_epochs_are_read_as_columns(tmp_path):
    path = tmp_path / "epochs.tsv"
    path.write_text("epoch\tloss\n1\t0.5\n2\tnan\n")
    table = read_epochs(path)
    np.testing.assert_array_equal(table["epoch"], [1, 2])
    np.testing.assert_array_equal(table["loss"], [0.5, np.nan])


@pytest.mark.parametrize("text", ["", "epoch\tloss\n", "epoch\tloss\n1\n", "epoch\n1x\n"])
def test_damaged_epochs_end_in_a_line(tmp_path, text):
    path = tmp_path / "epochs.tsv"
    path.write_text(text)
    with pytest.raises(UserError, match=r"epochs\.tsv: cannot be read as the epochs.*rerun"):
        read_epochs(path)


def test_means_are_of_what_is_known():
    """A class that is never selected in one of two epochs, and one in none."""
    values = np.array([[0.5, np.nan, np.nan], [0.7, 0.9, np.nan]])
    np.testing.assert_allclose(mean_of_known(values), [0.6, 0.9, np.nan])


def test_a_class_without_selection_leaves_the_mean_of_the_others():
    purity = np.full((3, 2, 2), 0.8)
    purity[1:, :, 1] = np.nan
    quality = Quality(purity=purity, recall=np.zeros((3, 2, 2)), share=purity)
    axis = draw_selection([quality], ["cat", "truck"]).axes[0]
    mean = next(line for line in axis.lines if line.get_label() == "mean of classes")
    np.testing.assert_allclose(mean.get_ydata(), 0.8)


def test_without_true_labels_only_what_was_selected_is_drawn():
    unknown = np.full((3, 2, 2), np.nan)
    quality = Quality(purity=unknown, recall=unknown, share=np.full((3, 2, 2), 0.6))
    figure = draw_selection([quality], ["cat", "truck"])
    assert [axis.get_title() for axis in figure.axes] == [
        "Ma (auxiliary): share selected", "Mp (primary, deployed): share selected",
    ]  # fmt: skip


def test_the_share_of_a_class_that_is_selected_is_measured_without_true_labels():
    selected = np.array([[[1, 1], [0, 1], [1, 1], [0, 0]]], bool)
    observed, true = np.array([0, 0, 0, 1]), np.full(4, -1)
    quality = measure_selection(selected, observed, true, true >= 0, 2)
    np.testing.assert_allclose(quality.share, [[[2 / 3, 0], [1, 0]]])
    assert np.isnan(quality.purity).all()


def test_accuracies_name_their_ranks_where_there_are_several():
    accuracies = {("noise_only", 2): [80.0, 82.0], ("mct", 2): [90.0], ("mct", 4): [91.0, 92.0]}
    labels = draw_accuracies(accuracies, TITLES, ["mct"], "test").axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == [
        "Noise only, 2 ranks", "MCT, 2 ranks", "MCT, 4 ranks",
    ]  # fmt: skip


def test_what_one_epoch_gave_is_seen(tmp_path):
    """A line of one point shows nothing without a marker."""
    figure, axis = plt.subplots()
    [one], [other], [dotted] = (
        axis.plot([1], [0.5]), axis.plot([1, 2], [0.5, 0.6]), axis.plot([1], [0.2], ":")
    )  # fmt: skip
    save_figure(figure, tmp_path / "figure.png")
    assert (one.get_marker(), other.get_marker(), dotted.get_marker()) == ("o", "None", "o")
    assert dotted.get_markerfacecolor() == "none"
