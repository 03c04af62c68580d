"""What figures are drawn from."""

import numpy as np
import pytest

from mct.base.errors import UserError
from mct.results.figures import draw_accuracies, read_epochs


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


def test_accuracies_name_their_ranks_where_there_are_several():
    accuracies = {("noise_only", 2): [80.0, 82.0], ("mct", 2): [90.0], ("mct", 4): [91.0, 92.0]}
    labels = draw_accuracies(accuracies, "test").axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == [
        "Noise only, 2 ranks", "MCT, 2 ranks", "MCT, 4 ranks",
    ]  # fmt: skip
