"""Evaluate a model on the test split: top-1, top-5, per class, confusion."""

from pathlib import Path

from mct import entry
from mct.compute import choose_compute, hardware, versions
from mct.files import file_digest
from mct.imagesets import indexed_files, open_set
from mct.loading import read_for_evaluation
from mct.metrics import evaluate_predictions, predict
from mct.models import build_model, load_weights
from mct.record import write_record
from mct.settings import EvaluationSettings

BATCH_SIZE = 256


def main() -> None:
    arguments = entry.options(
        __doc__, settings=str, execution=Path, split=str, index=Path, weights=Path, output=Path
    )
    settings = entry.read_settings(EvaluationSettings, arguments.settings)
    execution = entry.read_execution(arguments.execution)
    compute = choose_compute(settings.model.precision, execution)
    image_set = open_set(arguments.split, indexed_files(arguments.index))
    model = build_model(settings.model, image_set.classes, settings.images.size, seed=0)
    load_weights(model, arguments.weights)
    batches = read_for_evaluation(
        image_set, settings.images, BATCH_SIZE,
        threads=execution.decoding_threads, prefetch=execution.prefetch_batches,
    )  # fmt: skip
    logits, labels = predict(compute.place(model), batches, compute, settings.images)
    write_record(
        arguments.output,
        {
            **evaluate_predictions(logits, labels),
            "split": arguments.split,
            "weights": file_digest(arguments.weights),
            "settings": settings,
            "hardware": hardware(compute),
            "versions": versions(),
        },
    )


if __name__ == "__main__":
    entry.run(main)
