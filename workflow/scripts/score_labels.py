"""Weigh observed labels with CleanNet, on features of a model trained on observed labels."""

from pathlib import Path

from mct.base.files import write_arrays
from mct.data.imagesets import open_set
from mct.learning.cleannet import score_labels
from mct.learning.precision import with_measured
from mct.learning.prediction import Predictor
from mct.learning.settings import CleanNetSettings
from mct.stage import entry


def main() -> None:
    arguments = entry.options(
        __doc__, settings=str, execution=Path, labels=Path, precision=tuple, weights=Path,
        output=Path,
    )  # fmt: skip
    settings = entry.read_settings(CleanNetSettings, arguments.settings)
    settings = with_measured(settings, arguments.precision)
    execution = entry.read_execution(arguments.execution)
    noisy = open_set("noisy", arguments.labels)
    clean = open_set("clean", arguments.labels)
    predictor = Predictor(arguments.weights, settings, noisy.classes, execution)
    noisy_features, clean_features = predictor.features(noisy), predictor.features(clean)
    weights = score_labels(
        (noisy_features, noisy.observed),
        (clean_features, clean.label, clean.observed),
        noisy.classes,
        settings,
    )
    write_arrays(arguments.output, {"sample": noisy.sample, "weight": weights}, {"axes": "sample"})


if __name__ == "__main__":
    entry.run(main)
