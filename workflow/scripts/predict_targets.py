"""Predict the noisy set with one or several models; their mean prediction teaches another model."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mct.base.files import write_arrays
from mct.data.imagesets import open_set
from mct.learning.precision import with_measured
from mct.learning.prediction import mean_probabilities
from mct.learning.settings import EvaluationSettings
from mct.learning.spread import Spread
from mct.stage import entry
from mct.stage.session import OPTIONS, Session


def main() -> None:
    arguments = entry.options(__doc__, **OPTIONS, labels=Path, weights=list)
    settings = entry.read_settings(EvaluationSettings, arguments.settings)
    settings = with_measured(settings, arguments.precision)
    inputs = [arguments.labels, *arguments.weights]
    with Session(arguments, Path(__file__), inputs, settings.model.precision) as session:
        features, spread = settings.images.stores_features, session.own(Spread(session))
        noisy = open_set("noisy", arguments.labels, features=features)
        logits = [
            spread.logits(spread.open(path, settings, noisy.classes), noisy)
            for path in arguments.weights
        ]
        if session.world.rank == 0:
            predicted = mean_probabilities(logits).astype(np.float16)
            columns: dict[str, NDArray] = {"sample": noisy.sample, "probability": predicted}
            write_arrays(arguments.output, columns, {"axes": "sample, class"})


if __name__ == "__main__":
    entry.run(main)
