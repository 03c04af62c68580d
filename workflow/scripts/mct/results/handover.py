"""What is stated of a model that is handed over: its data, its training, and how good it is.

Accuracy and calibration error are measured on the test split, with the net as it is exported: in float32,
on pictures, the whole of it. The temperature is fitted on the validation split.
"""

import statistics
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mct.base.packages import ONNX, ONNX_RUNTIME, missing
from mct.base.roles import Role
from mct.labels.noise import wilson_interval
from mct.learning.metrics import evaluate_predictions
from mct.results.tables import Results, Run
from mct.results.temperature import (
    BINS,
    Temperature,
    calibration_error,
    mean_loss,
    probabilities,
)

Facts = dict[str, Any]
Predictions = tuple[NDArray[np.floating], NDArray[np.integer]]
"""Logits (n, K) of a split, and its true labels (n,)."""
NOISE = ("method", "rate", "lower", "upper", "samples")
LIBRARIES = ("torch", "torchvision", "timm", *ONNX, ONNX_RUNTIME)


def describe_data(
    about: Mapping[str, Any],
    sizes: Mapping[str, int],
    noise: Mapping[str, Any],
    classes: Sequence[str],
) -> Facts:
    """Return what a model was trained, validated and tested on."""
    return {
        "name": about["dataset"],
        "sizes": dict(sizes),
        "classes": list(classes),
        "clean_set": about["clean_set"],
        "noise": {name: noise[name] for name in NOISE},
    }


def describe_training(run: Run, records: Results, titles: Mapping[str, str]) -> Facts:
    """Return the trainings that a model went through, by the records of its run in their order."""
    trainings = [
        {
            "name": each.method,
            "title": titles[each.method],
            "epochs": describe_epochs(record["settings"]),
            "samples_seen": record.get(f"samples_seen_{Role.PRIMARY}", record["samples_seen"]),
        }
        for each, record in records.items()
    ]
    start = records[run._replace(role="record")]["settings"]["model"]["initial_weights"]
    return {
        "method": run.method,
        "title": titles[run.method],
        "seed": run.seed,
        "ranks": run.ranks,
        "initial_weights": start and Path(start).name,  # not where somebody has it
        "trainings": trainings,
    }


def describe_epochs(settings: Mapping[str, Any]) -> str:
    """Return the epochs of a training with the set that they are counted in, by its settings."""
    if "epochs" in settings:
        return f"{settings['epochs']:g} of noisy"
    parts = [*settings["constant_epochs"].items(), *settings["decay_epochs"].items()]
    return " + ".join(f"{epochs:g} of {name}" for name, epochs in parts)


def measure_accuracy(test: Predictions) -> Facts:
    """Return the accuracy of a model with its 95 % interval, on the test split."""
    found = evaluate_predictions(*test)
    correct = int(np.diagonal(found["confusion"]).sum())
    lower, upper = wilson_interval(correct, found["samples"])
    names = ("top1", "top5", "per_class")
    return {
        "split": "test",
        "pictures": found["samples"],
        "correct": correct,
        "lower": lower,
        "upper": upper,
        **{name: found[name] for name in names},
    }


def summarise_seeds(evaluations: Results) -> Facts:
    """Return the accuracy of a method's models over seeds, as the workflow evaluated them.

    The standard deviation is that of a sample, None for one seed.
    """
    top1 = [found["top1"] for found in evaluations.values()]
    return {
        "split": "test",
        "seeds": [run.seed for run in evaluations],
        "top1": top1,
        "mean": statistics.mean(top1),
        "sd": statistics.stdev(top1) if len(top1) > 1 else None,
    }


def measure_probabilities(
    validation: Predictions, test: Predictions, temperature: Temperature
) -> Facts:
    """Return how honest probabilities of the test split are, without and with a temperature."""
    measured: dict[str, float] = {}
    for name, value in (("before", 1.0), ("after", temperature.value)):
        measured[f"loss_{name}"] = mean_loss(*test, value)
        measured[f"error_{name}"] = calibration_error(probabilities(test[0], value), test[1])
    return {
        "temperature": temperature.value,
        "note": temperature.note,
        "fitted_on": "validation",
        "fitted_pictures": len(validation[1]),
        "split": "test",
        "bins": BINS,
        **measured,
    }


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that a handed-over model was made with, where installed."""
    return {name: version(name) for name in LIBRARIES if not missing(name)}
