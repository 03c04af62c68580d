"""Estimate the noise rate with Ma, from its confusion and its confidence, next to the truth."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mct.base.files import file_digest
from mct.data.imagesets import ImageSet, open_set
from mct.labels.confusions import count_confusion
from mct.labels.estimators import estimate_by_models, true_rate, unseen_sample
from mct.learning.precision import with_measured
from mct.learning.settings import EstimationSettings
from mct.learning.spread import Spread
from mct.stage import entry
from mct.stage.compute import hardware, versions
from mct.stage.record import write_record
from mct.stage.session import OPTIONS, Session


def main() -> None:
    arguments = entry.options(__doc__, **OPTIONS, labels=Path, weights=Path)
    settings = entry.read_settings(EstimationSettings, arguments.settings)
    settings = with_measured(settings, arguments.precision)
    inputs = [arguments.labels, arguments.weights]
    with Session(arguments, Path(__file__), inputs, settings.model.precision) as session:
        noisy, validation = (
            open_set(name, arguments.labels, features=settings.images.stores_features)
            for name in ("noisy", "validation")
        )
        spread = session.own(Spread(session))
        model = spread.open(arguments.weights, settings, noisy.classes)
        unseen = noisy.take(unseen_sample(noisy.in_clean, settings.samples, settings.seed))
        logits, held_out = (spread.logits(model, each) for each in (unseen, validation))
        if session.world.rank == 0:
            facts = estimate(logits, unseen, held_out, validation, noisy)
            facts |= {"truth": true_rate(noisy.observed, noisy.true, noisy.classes)}
            facts |= {"weights": file_digest(arguments.weights), "settings": settings}
            facts |= {"hardware": hardware(session.compute), "versions": versions()}
            write_record(arguments.output, facts)


def estimate(
    logits: NDArray[np.float32], unseen: ImageSet, held_out: NDArray[np.float32],
    validation: ImageSet, noisy: ImageSet,
) -> dict[str, Any]:  # fmt: skip
    """Return the noise rates that Ma's predictions of unseen and of validation pictures give."""
    clean = noisy.in_clean
    return estimate_by_models(
        logits,
        unseen.label,
        held_out=count_confusion(held_out.argmax(axis=1), validation.label, noisy.classes),
        known=count_confusion(noisy.observed[clean], noisy.true[clean], noisy.classes),
        unseen=int(np.sum(~clean)),
    )


if __name__ == "__main__":
    entry.run(main)
