"""What is probably a mistake although nothing refuses it: shown in the plan and when a run starts."""

from collections.abc import Mapping
from typing import Any

from mct.workflow.learning_cautions import learning_cautions
from mct.workflow.lists import Lists


def cautions(config: Mapping[str, Any], lists: Lists) -> list[str]:
    """Return a line for each doubtful thing about a configuration and the lists of its data set."""
    return learning_cautions(config, lists.sizes)
