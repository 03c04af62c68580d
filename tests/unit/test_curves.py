"""Lines of validation accuracy, by hand."""

import numpy as np

from mct.results.curves import draw_curves, join

PRETRAINING = {"epoch": np.array([1.0, 2]), "validation_accuracy": np.array([np.nan, 0.5])}
CALIBRATION = {
    "epoch": np.array([1.0, 2]),
    "validation_accuracy_auxiliary": np.array([0.1, 0.1]),
    "validation_accuracy_primary": np.array([0.6, 0.7]),
}


def test_a_pairs_line_goes_from_pretraining_through_calibration():
    shares, values = join([PRETRAINING, CALIBRATION])
    np.testing.assert_allclose(shares, [0.5, 0.75, 1])
    np.testing.assert_allclose(values, [50, 60, 70])


def test_a_training_of_an_earlier_version_has_no_line():
    shares, values = join([{"epoch": np.array([1.0])}])
    assert len(shares) == len(values) == 0
    figure = draw_curves({"MCT": [join([CALIBRATION])] * 2, "GLC": [(shares, values)]})
    (line,) = figure.axes[0].lines
    assert line.get_label() == "MCT"
    np.testing.assert_allclose(line.get_ydata(), [60, 70])
