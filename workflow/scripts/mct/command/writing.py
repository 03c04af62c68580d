"""A commented configuration for a data set, as text."""

import math
from collections.abc import Mapping
from typing import Any

import yaml

from mct.command.recipe import Recipe, written_rate
from mct.data.layouts.base import Layout
from mct.experiment.lists import Lists

COMMENT_COLUMN = 44


def configuration(
    layout: Layout, lists: Lists, suggested: Mapping[str, Any], chosen: Recipe
) -> str:
    """Return the text of a configuration of at most 40 lines, each key with a reason."""
    given = layout.settings
    rate, reason = written_rate(suggested["dataset.noise_rate"])
    name = suggested["dataset.name"]
    lines = [
        f"# {lists.pictures:,} pictures in {len(lists.classes)} classes. All keys: config/README.md",
        *_line("experiment", name, "results go to results/<experiment>/"),
        *_line("seeds", [0, 1, 2], "three runs, for a mean and an interval"),
        *_line("ranks", [chosen.ranks], "MPI processes of calibration, even: half for each model"),
        *_line("methods", chosen.methods, "rows of the table"),
        "dataset:",
        *_line("  name", name),
        *_line("  layout", given.layout),
        *_line("  root", given.root),
        *(_line("  table", given.table) if given.layout == "table" else []),
        *_optional(layout),
        *_line("  noise_rate", rate, reason),
        "images:",
        *_line("  size", chosen.size, _size_reason(suggested, chosen)),
        *_line("  mean", suggested["images.mean"], "of the pictures, 0 to 1"),
        *_line("  std", suggested["images.std"]),
        *_line("  augmentation", "crop_flip", "`crop` where a mirrored picture is wrong"),
        "model:",
        *_line("  name", chosen.model, "any classification net of torchvision or timm"),
        *_weights(chosen),
        "optimizer:",
        *_line("  batch_size", chosen.batch),
        "pretraining:",
        *_line("  learning_rate", _rate(chosen)),
        *_line(
            "  epochs_auxiliary", chosen.epochs_auxiliary, f"Ma, {lists.sizes['clean']:,} clean"
        ),
        *_line("  epochs_primary", chosen.epochs_primary, f"Mp, {lists.sizes['noisy']:,} noisy"),
        "calibration:",
        *_line("  learning_rate", _rate(chosen)),
        *_line("  epochs", chosen.epochs_primary),
        *_confusion(chosen),
    ]
    return "\n".join(lines) + "\n"


def _line(key: str, value: Any, comment: str = "") -> list[str]:
    """Return a line of YAML with its comment; the key may be indented."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True)
    line = f"{key}: {text.removesuffix('...' + chr(10)).strip()}"
    return [f"{line.ljust(COMMENT_COLUMN)} # {comment}".rstrip() if comment else line]


def _optional(layout: Layout) -> list[str]:
    """Return keys of the data set that have another value than by default."""
    given, lines = layout.settings, []
    if given.clean_fraction is not None:
        lines += _line("  clean_fraction", given.clean_fraction, layout.clean_source())
    if given.test_root is not None:
        lines += _line("  test_root", given.test_root)
    if given.layout == "cifar_n":
        lines += _line("  label_set", given.label_set)
    return lines


def _size_reason(suggested: Mapping[str, Any], chosen: Recipe) -> str:
    side = suggested["images.size"]
    return f"pixels; the pictures would allow {side}" if chosen.size < side else "pixels"


def _weights(chosen: Recipe) -> list[str]:
    if chosen.initial_weights is None:
        return []
    return _line("  initial_weights", chosen.initial_weights, "fetched once, where Snakemake runs")


def _rate(chosen: Recipe) -> float:
    """Return a rate: a tenth of it for weights that are learned already."""
    base = 0.1 * math.sqrt(chosen.batch / 128)
    return float(f"{base * (0.1 if chosen.initial_weights else 1):.2g}")


def _confusion(chosen: Recipe) -> list[str]:
    if chosen.confusion == "counted":
        return []
    return ["mct:", *_line("  confusion", chosen.confusion, "no picture has both labels to count")]
