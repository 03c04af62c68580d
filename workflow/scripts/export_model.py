"""Hand a trained model over: weights with what has to be known to use them, ONNX, and a model card."""

from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mct.base.files import read_json, write_json, write_text
from mct.base.texts import read_names
from mct.data.imagesets import open_set
from mct.data.label_table import read_index
from mct.learning.prediction import Predictor
from mct.learning.settings import EvaluationSettings
from mct.results import exported_model, handover
from mct.results.model_card import write_card
from mct.results.tables import parse_run, read_results
from mct.results.temperature import fit_temperature, probabilities
from mct.stage import entry


def main() -> None:
    arguments = entry.options(
        __doc__, about=entry.json_value, settings=str, execution=Path, labels=Path, classes=Path,
        noise=Path, weights=Path, records=list, evaluations=list, output=Path,
    )  # fmt: skip
    # An earlier model's, which is no output of the rule that Snakemake would remove.
    arguments.output.with_name(exported_model.ONNX_FILE).unlink(missing_ok=True)
    classes = read_names(arguments.classes)
    facts = {**describe(arguments, classes), **export(arguments, classes)}
    write_json(arguments.output, facts)
    write_text(arguments.output.with_name("README.md"), write_card(facts))


def describe(arguments: Namespace, classes: Sequence[str]) -> handover.Facts:
    """Return what files of the experiment say of a model."""
    about, sizes = arguments.about, read_index(arguments.labels)["samples"]
    noise = read_json(arguments.noise, *handover.NOISE)
    run, records = parse_run(arguments.weights), read_results(arguments.records)
    return {
        "experiment": about["experiment"],
        "data": handover.describe_data(about, sizes, noise, classes),
        "training": handover.describe_training(run, records, about["titles"]),
        "seeds": handover.summarise_seeds(read_results(arguments.evaluations)),
        "versions": handover.library_versions(),
    }


def export(arguments: Namespace, classes: Sequence[str]) -> handover.Facts:
    """Write a model's files and return what was measured of it."""
    settings = entry.read_settings(EvaluationSettings, arguments.settings)
    settings = exported_model.in_float32(settings)
    execution = entry.read_execution(arguments.execution)
    predictor = Predictor(arguments.weights, settings, len(classes), execution)
    sets = [open_set(name, arguments.labels) for name in ("validation", "test")]
    validation, test = map(predictor.predict, sets)
    temperature = fit_temperature(*validation)
    chosen = exported_model.spread_positions(len(sets[1]))
    check = partial(
        exported_model.compare_onnx,
        image_set=sets[1].take(chosen),
        images=settings.images,
        expected=probabilities(test[0][chosen], temperature.value),
        threads=execution.decoding_threads,
    )
    model = exported_model.ModelFacts.of(settings, classes, temperature.value)
    return {
        **exported_model.write_model(arguments.weights, settings, model, arguments.output, check),
        "accuracy": handover.measure_accuracy(test),
        "probabilities": handover.measure_probabilities(validation, test, temperature),
    }


if __name__ == "__main__":
    entry.run(main)
