"""Estimate the noise rate with Ma, from its confusion and its confidence, next to the truth."""

from pathlib import Path
from typing import Any

import numpy as np

from mct.base.files import file_digest
from mct.data.imagesets import ImageSet, open_set
from mct.labels.confusions import count_confusion
from mct.labels.estimators import estimate_by_models, true_rate, unseen_sample
from mct.learning.precision import with_measured
from mct.learning.prediction import Predictor
from mct.learning.settings import EstimationSettings
from mct.stage import entry
from mct.stage.compute import hardware, versions
from mct.stage.record import write_record


def main() -> None:
    arguments = entry.options(
        __doc__, settings=str, execution=Path, labels=Path, precision=tuple, weights=Path,
        output=Path,
    )  # fmt: skip
    settings = entry.read_settings(EstimationSettings, arguments.settings)
    settings = with_measured(settings, arguments.precision)
    execution = entry.read_execution(arguments.execution)
    noisy = open_set("noisy", arguments.labels)
    validation = open_set("validation", arguments.labels)
    predictor = Predictor(arguments.weights, settings, noisy.classes, execution)
    facts = estimate(predictor, noisy, validation, settings)
    facts |= {"truth": true_rate(noisy.observed, noisy.true, noisy.classes)}
    facts |= {"weights": file_digest(arguments.weights), "settings": settings}
    facts |= {"hardware": hardware(predictor.compute), "versions": versions()}
    write_record(arguments.output, facts)


def estimate(
    predictor: Predictor, noisy: ImageSet, validation: ImageSet, settings: EstimationSettings
) -> dict[str, Any]:
    """Return the noise rates that Ma's predictions of unseen and of validation pictures give."""
    positions = unseen_sample(noisy.in_clean, settings.samples, settings.seed)
    logits, observed = predictor.predict(noisy.take(positions))
    held_out, true = predictor.predict(validation)
    clean = noisy.in_clean
    return estimate_by_models(
        logits,
        observed,
        held_out=count_confusion(held_out.argmax(axis=1), true, noisy.classes),
        known=count_confusion(noisy.observed[clean], noisy.true[clean], noisy.classes),
        unseen=int(np.sum(~clean)),
    )


if __name__ == "__main__":
    entry.run(main)
