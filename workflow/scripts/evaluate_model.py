"""Evaluate a model, or the mean prediction of several, on a split: top-1, top-5, per class, confusion.

With `--each` every one of the models has a file of its own too.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mct.base.files import file_digest
from mct.data.imagesets import ImageSet, open_set
from mct.learning.metrics import evaluate_predictions
from mct.learning.precision import with_measured
from mct.learning.prediction import mean_probabilities
from mct.learning.settings import EvaluationSettings
from mct.learning.spread import Spread
from mct.stage import entry
from mct.stage.compute import hardware, versions
from mct.stage.record import write_record
from mct.stage.session import OPTIONS, Session


def main() -> None:
    arguments = entry.options(__doc__, **OPTIONS, split=str, labels=Path, weights=list, each=tuple)
    settings = entry.read_settings(EvaluationSettings, arguments.settings)
    settings = with_measured(settings, arguments.precision)
    inputs = [arguments.labels, *arguments.weights]
    with Session(arguments, Path(__file__), inputs, settings.model.precision) as session:
        features, spread = settings.images.stores_features, session.own(Spread(session))
        image_set = open_set(arguments.split, arguments.labels, features=features)
        logits = [
            spread.logits(spread.open(path, settings, image_set.classes), image_set)
            for path in arguments.weights
        ]
        if session.world.rank == 0:
            facts = {"split": arguments.split, "settings": settings, "versions": versions()}
            facts |= {"hardware": hardware(session.compute)}
            for output, scores, path in zip(
                arguments.each, logits, arguments.weights, strict=False
            ):
                write(output, scores, image_set, facts | digests([path]))
            together = mean_probabilities(logits) if len(logits) > 1 else logits[0]
            write(arguments.output, together, image_set, facts | digests(arguments.weights))


def digests(weights: Sequence[Path]) -> dict[str, Any]:
    """Return what says whose an evaluation is."""
    return {"weights": [file_digest(path) for path in weights]}


def write(
    output: Path, scores: NDArray[np.floating], image_set: ImageSet, facts: dict[str, Any]
) -> None:
    """Write how right scores (n, K) are, and other facts."""
    write_record(output, evaluate_predictions(scores, image_set.label) | facts)


if __name__ == "__main__":
    entry.run(main)
