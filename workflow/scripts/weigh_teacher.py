"""Measure how strongly labels should be corrected, on clean pictures that Ma was not trained on.

Reviewed ones are left out: they were chosen because a model was sure of them.
"""

from pathlib import Path

import numpy as np

from mct.base.errors import UserError
from mct.base.files import write_json
from mct.calibration.evidence import Evidence
from mct.data.held_out import split_off
from mct.data.imagesets import ImageSet, open_set
from mct.labels.strength import measure_strength
from mct.learning.precision import with_measured
from mct.learning.settings import StrengthSettings
from mct.learning.spread import Spread
from mct.stage import entry
from mct.stage.session import OPTIONS, Session


def main() -> None:
    files = ("labels", "counted", "noise", "confusion", "weights")
    arguments = entry.options(__doc__, **OPTIONS, **dict.fromkeys(files, Path))
    settings = entry.read_settings(StrengthSettings, arguments.settings)
    settings = with_measured(settings, arguments.precision)
    inputs = [getattr(arguments, name) for name in files]
    with Session(arguments, Path(__file__), inputs, settings.model.precision) as session:
        features = settings.images.stores_features
        noisy, clean = (
            open_set(name, arguments.labels, features=features) for name in ("noisy", "clean")
        )
        evidence = Evidence.read(arguments.noise, arguments.confusion, noisy)
        counted = open_set("clean", arguments.counted, features=features)
        unseen = unseen_pictures(clean, counted, settings.held_out, settings.seed)
        spread = session.own(Spread(session))
        logits = spread.logits(spread.open(arguments.weights, settings, noisy.classes), unseen)
        if session.world.rank == 0:
            assert evidence.confusion is not None
            found = measure_strength(logits, unseen.label, evidence.confusion)
            write_json(arguments.output, {**evidence.facts(), **found._asdict()})


def unseen_pictures(clean: ImageSet, counted: ImageSet, share: float, seed: int) -> ImageSet:
    """Return what Ma was not trained on of a clean set, but for pictures that are not `counted`."""
    _, held_out = split_off(clean, share, seed)
    unseen = held_out.take(np.flatnonzero(np.isin(held_out.sample, counted.sample)))
    if not len(unseen):
        raise UserError(
            f"pretraining.held_out_clean: all of the {len(held_out)} held-out clean pictures were reviewed, "
            "so none shows how well Ma knows others; raise the share"
        )
    return unseen


if __name__ == "__main__":
    entry.run(main)
