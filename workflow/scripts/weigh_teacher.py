"""Measure how strongly labels should be corrected, on clean pictures that Ma was not trained on."""

from pathlib import Path

from mct.base.files import write_json
from mct.calibration.evidence import Evidence
from mct.data.held_out import split_off
from mct.data.imagesets import open_set
from mct.labels.strength import measure_strength
from mct.learning.precision import with_measured
from mct.learning.settings import StrengthSettings
from mct.learning.spread import Spread
from mct.stage import entry
from mct.stage.session import OPTIONS, Session


def main() -> None:
    files = ("labels", "noise", "confusion", "weights")
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
        _, unseen = split_off(clean, settings.held_out, settings.seed)
        spread = session.own(Spread(session))
        logits = spread.logits(spread.open(arguments.weights, settings, noisy.classes), unseen)
        if session.world.rank == 0:
            assert evidence.confusion is not None
            found = measure_strength(logits, unseen.label, evidence.confusion)
            write_json(arguments.output, {**evidence.facts(), **found._asdict()})


if __name__ == "__main__":
    entry.run(main)
