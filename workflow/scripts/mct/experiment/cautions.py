"""What is probably a mistake although nothing refuses it: shown in the plan and when a run starts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mct.experiment.class_cautions import class_cautions
from mct.experiment.learning_cautions import learning_cautions
from mct.experiment.lists import Lists

SETS = ("noisy", "clean", "validation", "test")
"""Folders of shards of version 2."""
SMALL_NET, LARGEST_FOR_IT = "small_cnn", 64


def cautions(config: Mapping[str, Any], lists: Lists) -> list[str]:
    """Return a line for each doubtful thing about a configuration and the lists of its data set."""
    learning = learning_cautions(config, lists.sizes)
    return [*_model_cautions(config), *learning, *class_cautions(lists)]


def storage_cautions(shards: Path) -> list[str]:
    """Return a line where a folder has shards that an earlier version wrote, which nothing reads."""
    old = [name for name in SETS if (shards / name / "index.json").is_file()]
    advice = (
        "shards of an earlier version, which hold labels; all stages run again, once. The last commit that "
        f"reads them is e3bb913; delete {', '.join(old)} there to free their space"
    )
    return [f"{shards}: {advice}"] if old else []


def _model_cautions(config: Mapping[str, Any]) -> list[str]:
    """Return a line where large pictures have the quick start's net, which is the default."""
    name, size = config["model"]["name"], config["images"]["size"]
    if name != SMALL_NET or size <= LARGEST_FOR_IT:
        return []
    return [
        f"model.name: {name} is made for pictures up to {LARGEST_FOR_IT} pixels, and images.size is "
        f"{size}; resnet18, resnet34 and resnet50 are made for these"
    ]
