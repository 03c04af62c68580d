"""Estimate the confusion of labels from what a model trained on observed labels predicts."""

from pathlib import Path

from scipy.special import softmax

from mct.base.files import write_json
from mct.data.imagesets import open_set
from mct.labels import confusions
from mct.learning.precision import with_measured
from mct.learning.settings import EvaluationSettings
from mct.learning.spread import Spread
from mct.stage import entry
from mct.stage.session import OPTIONS, Session


def main() -> None:
    arguments = entry.options(__doc__, **OPTIONS, kind=str, labels=Path, weights=Path)
    settings = entry.read_settings(EvaluationSettings, arguments.settings)
    settings = with_measured(settings, arguments.precision)
    inputs = [arguments.labels, arguments.weights]
    with Session(arguments, Path(__file__), inputs, settings.model.precision) as session:
        set_name = "noisy" if arguments.kind == "anchors" else "clean"
        features, spread = settings.images.stores_features, session.own(Spread(session))
        image_set = open_set(set_name, arguments.labels, features=features)
        model = spread.open(arguments.weights, settings, image_set.classes)
        probabilities = softmax(spread.logits(model, image_set), axis=1)
        if session.world.rank == 0:
            if arguments.kind == "anchors":
                matrix = confusions.anchor_predictions(probabilities)
            else:
                matrix = confusions.mean_predictions(probabilities, image_set.label)
            write_json(arguments.output, {"method": arguments.kind, "matrix": matrix.tolist()})


if __name__ == "__main__":
    entry.run(main)
