"""What is probably a mistake although nothing refuses it: shown in the plan and when a run starts."""

from collections.abc import Mapping
from typing import Any

from mct.experiment.class_cautions import class_cautions
from mct.experiment.learning_cautions import learning_cautions
from mct.experiment.lists import Lists

SMALL_NET, LARGEST_FOR_IT = "small_cnn", 64


def cautions(config: Mapping[str, Any], lists: Lists) -> list[str]:
    """Return a line for each doubtful thing about a configuration and the lists of its data set."""
    learning = learning_cautions(config, lists.sizes)
    return [*_model_cautions(config), *learning, *class_cautions(lists)]


def _model_cautions(config: Mapping[str, Any]) -> list[str]:
    """Return a line where large pictures have the quick start's net, which is the default."""
    name, size = config["model"]["name"], config["images"]["size"]
    if name != SMALL_NET or size <= LARGEST_FOR_IT:
        return []
    return [
        f"model.name: {name} is made for pictures up to {LARGEST_FOR_IT} pixels, and images.size is "
        f"{size}; resnet18, resnet34 and resnet50 are made for these"
    ]
