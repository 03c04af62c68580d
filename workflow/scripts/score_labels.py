"""Weigh observed labels with CleanNet, on features of a model trained on observed labels."""

from pathlib import Path

from numpy.typing import NDArray

from mct.base.files import write_arrays
from mct.data.imagesets import open_set
from mct.learning.cleannet import score_labels
from mct.learning.precision import with_measured
from mct.learning.settings import CleanNetSettings
from mct.learning.spread import Spread
from mct.stage import entry
from mct.stage.session import OPTIONS, Session


def main() -> None:
    arguments = entry.options(__doc__, **OPTIONS, labels=Path, weights=Path)
    settings = entry.read_settings(CleanNetSettings, arguments.settings)
    settings = with_measured(settings, arguments.precision)
    inputs = [arguments.labels, arguments.weights]
    with Session(arguments, Path(__file__), inputs, settings.model.precision) as session:
        features = settings.images.stores_features
        noisy, clean = (
            open_set(name, arguments.labels, features=features) for name in ("noisy", "clean")
        )
        spread = session.own(Spread(session))
        model = spread.open(arguments.weights, settings, noisy.classes)
        noisy_features, clean_features = (spread.features(model, each) for each in (noisy, clean))
        if session.world.rank == 0:
            weights = score_labels(
                (noisy_features, noisy.observed),
                (clean_features, clean.label, clean.observed),
                noisy.classes,
                settings,
            )
            columns: dict[str, NDArray] = {"sample": noisy.sample, "weight": weights}
            write_arrays(arguments.output, columns, {"axes": "sample"})


if __name__ == "__main__":
    entry.run(main)
