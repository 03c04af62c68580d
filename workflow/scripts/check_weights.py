"""Check that a model can start from a file of weights: exit code 0, or 2 with a line. Runs nothing."""

from functools import partial
from pathlib import Path

from mct.learning.costs import sketch
from mct.learning.models import build_architecture, start_from
from mct.learning.settings import ModelSettings
from mct.stage import entry


def main() -> None:
    arguments = entry.options(__doc__, weights=Path, settings=str, classes=int)
    settings = entry.read_settings(ModelSettings, arguments.settings)
    model = sketch(partial(build_architecture, settings.name), arguments.classes)
    start_from(arguments.weights, model, keep_classifier=settings.keep_classifier)


if __name__ == "__main__":
    entry.run(main)
