"""What is probably a mistake although nothing refuses it: shown in the plan and when a run starts."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from mct.base.architectures import Norms
from mct.base.errors import UserError
from mct.base.files import read_json
from mct.base.keys import parse
from mct.base.roles import Role
from mct.base.texts import nearest
from mct.calibration.settings import CalibrationSettings
from mct.experiment.lists import Lists
from mct.experiment.method import with_batch
from mct.experiment.methods import Ranks, find_pair, is_pair, needed_trainings, rows_of
from mct.experiment.pair import Calibration
from mct.labels.agreement import describe_contradiction

SETS = ("noisy", "clean", "validation", "test")
"""Folders of shards of version 2."""
SMALL_NET, LARGEST_FOR_IT = "small_cnn", 64
CUTS = {Role.AUXILIARY: "M = 0, Eq. 1", Role.PRIMARY: "N = 0, Eq. 2"}
FEWEST = 0.01
"""Share of the median class below which a class is doubtful."""
MOST_LINES = 10
HELD_OUT = ("clean", "validation", "test")
FEWEST_NORMALISED, SUGGESTED_SAMPLES = 16, 32
"""Pictures below which statistics of a batch norm are doubtful, and a number that is not."""
FEWEST_CLEAN = 10
"""Clean pictures for each class below which a confusion that they estimate is doubtful."""
CLOSE = 0.75
"""Likeness of two names, 0 to 1, from which one may be a misspelling of the other."""


def cautions(config: Mapping[str, Any], lists: Lists) -> list[str]:
    """Return a line for each doubtful thing about a configuration and the lists of its data set."""
    return [
        *_model_cautions(config),
        *_view_cautions(config),
        *learning_cautions(config, lists.sizes),
        *confusion_cautions(config, lists.sizes["clean"], len(lists.classes)),
        *class_cautions(lists),
    ]


def storage_cautions(shards: Path) -> list[str]:
    """Return a line where a folder has shards that an earlier version wrote, which nothing reads."""
    old = [name for name in SETS if (shards / name / "index.json").is_file()]
    advice = (
        "shards of an earlier version, which hold labels; all stages run again, once. The last commit "
        f"that reads them is e3bb913; delete the folders {', '.join(old)} there to free their space"
    )
    return [f"{shards}: {advice}"] if old else []


def contradiction_cautions(records: Iterable[Path]) -> list[str]:
    """Return a line for each finished calibration whose confusion contradicted P, by its record.

    A record that cannot be read is left to the stages that need it, which name it.
    """
    found: dict[str, Path] = {}
    for path in filter(Path.is_file, records):
        with suppress(UserError):
            if text := describe_contradiction(read_json(path)):
                found.setdefault(text, path)
    return [f"{path}: {text}" for text, path in found.items()]


def _model_cautions(config: Mapping[str, Any]) -> list[str]:
    """Return a line where large pictures have the quick start's net, which is the default."""
    name, size = config["model"]["name"], config["images"]["size"]
    if name != SMALL_NET or size <= LARGEST_FOR_IT:
        return []
    return [
        f"model.name: {name} is made for pictures up to {LARGEST_FOR_IT} pixels, and images.size is "
        f"{size}; take resnet18, resnet34 or resnet50 for such pictures"
    ]


def _view_cautions(config: Mapping[str, Any]) -> list[str]:
    """Return a line where pictures are stored smaller than they are resized to in every epoch."""
    stored, resize = config["shards"]["short_side"], config["images"]["resize"]
    if stored is None or resize is None or stored >= resize:
        return []
    return [
        f"shards.short_side: pictures are stored with a short side of {stored} pixels and enlarged to "
        f"images.resize, {resize}, whenever they are read; store {resize}"
    ]


def learning_cautions(config: Mapping[str, Any], sizes: Mapping[str, int]) -> list[str]:
    """Return a line for each model that a training of the configuration would not change.

    A counted P is not known yet; later the table of accuracy has a note.
    """
    finetuning = config["baselines"]["loss_correction"]["finetuning_epochs"]
    lines = []
    if "forward_finetuned" in config["methods"] and not finetuning:
        lines.append(
            "forward_finetuned: without fine-tuning epochs it is identical to forward; raise "
            "baselines.loss_correction.finetuning_epochs"
        )
    rate = config["dataset"]["noise_rate"]
    if not isinstance(rate, str):
        for name in rows_of(config):
            if is_pair(config, name):
                lines += _pair_cautions(config, find_pair(config, name), sizes["noisy"], rate)
    return lines


def _pair_cautions(
    config: Mapping[str, Any], method: Calibration, samples: int, rate: float
) -> list[str]:
    from mct.calibration.learned_samples import plan_learned  # scipy takes a moment to import

    fewest = with_batch(config, min(config["ranks"]) // 2)
    settings = parse(CalibrationSettings, method.settings(fewest, 0))
    key = "batch_size" if config["optimizer"]["batch_per_rank"] is None else "batch_per_rank"
    section = method.section or "calibration"
    sizes = dict.fromkeys(CUTS, (settings.optimizer.batch_size, f"optimizer.{key}"))
    if settings.certain_batch:
        sizes[Role.AUXILIARY] = settings.certain_batch, f"{section}.certain_batch"
    learned = plan_learned(settings, samples, rate)
    return [
        f"{method.name}: {role.symbol} is not trained during calibration: at P = {rate:g} no sample of a "
        f"batch of {sizes[role][0]} is selected ({cut}); raise "
        f"{sizes[role][1]} or {section}.clean_per_batch_{role}"
        for role, cut in CUTS.items()
        if not learned[role]
    ]


def confusion_cautions(config: Mapping[str, Any], clean: int, classes: int) -> list[str]:
    """Return a line for each pair that learns by a confusion that few clean pictures estimate."""
    if clean >= FEWEST_CLEAN * classes:
        return []
    pairs = [find_pair(config, name) for name in rows_of(config) if is_pair(config, name)]
    return [
        f"{method.name}: {method.confusion_key} is `estimated` from {clean} clean pictures of {classes} "
        f"classes; with fewer than {FEWEST_CLEAN} a class it may be far off, and every sample is taught "
        "by it (docs/experiments.md). Check more pictures, or compare with mct_paper, which takes none"
        for method in pairs
        if method.confusion_kind(config) == "estimated"
    ]


def norm_cautions(ranks: Ranks, norms: Norms | None) -> list[str]:
    """Return a line for each share of a batch on which batch norms would have few pictures, and why.

    One line names all trainings whose ranks have that share.
    """
    optimizer, model = ranks.config["optimizer"], ranks.config["model"]
    learns = norms is not None and norms.batch and model["trainable"] != "classifier"
    is_block = optimizer["norm_statistics"] == "block" and optimizer["norm_samples"] is None
    if not (learns and is_block):
        return []
    found: dict[tuple[int, int], list[str]] = {}
    for world in map(str, ranks.config["ranks"]):
        for name in needed_trainings(ranks.config):
            replicas = ranks.replicas(name, world)
            each = optimizer["batch_per_rank"] or optimizer["batch_size"] // replicas
            if replicas > 1 and each < FEWEST_NORMALISED:
                found.setdefault((replicas, each), []).append(name)
    return [
        f"optimizer.norm_samples: in {', '.join(dict.fromkeys(names))} batch norms take their statistics "
        f"from {each} pictures on each of {replicas} ranks, which are few; set optimizer.norm_samples: "
        f"{SUGGESTED_SAMPLES}"
        for (replicas, each), names in found.items()
    ]


def class_cautions(lists: Lists) -> list[str]:
    """Return a line for each class that lacks pictures or has hardly any, at most `MOST_LINES`.

    The classes with the fewest pictures come first.
    """
    if not lists.class_counts:
        return []
    noisy = lists.class_counts["noisy"]
    median = float(np.median(noisy))
    doubts = {
        label: doubt
        for label in range(len(lists.classes))
        if (doubt := _doubt(lists, label, median))
    }
    labels = sorted(doubts, key=lambda label: noisy[label])
    lines = [_line(lists, label, doubts[label]) for label in labels[:MOST_LINES]]
    if len(labels) > MOST_LINES:
        lines.append(f"classes: {len(labels) - MOST_LINES} more classes also lack pictures")
    return lines


def _doubt(lists: Lists, label: int, median: float) -> str:
    """Return what is doubtful about a class, nothing where all is well."""
    counts = {name: numbers[label] for name, numbers in lists.class_counts.items()}
    doubts = [f"no {name} picture" for name in HELD_OUT if not counts[name]]
    if counts["noisy"] < FEWEST * median:
        found = f"{counts['noisy']} noisy pictures" if counts["noisy"] else "no noisy picture"
        doubts.append(f"{found} (the median class has {median:g})")
    return ", ".join(doubts)


def _line(lists: Lists, label: int, doubt: str) -> str:
    """Return the line for a class, with the nearest name of a class with more noisy pictures."""
    noisy, name = lists.class_counts["noisy"], lists.classes[label]
    larger = (
        other
        for place, other in enumerate(lists.classes)
        if noisy[place] > noisy[label] and not other.isdecimal()
    )
    near = nearest(name, larger, CLOSE)
    hint = f"; is it a misspelling of {near!r}?" if near else ""
    return f"classes: {name!r} has {doubt}{hint}"
