"""What the readings of this workflow in one process share.

As a module of another workflow it is read for each `use rule` statement, and for each experiment.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from mct.cluster.endings import Run
from mct.cluster.interruption import Interruption


@dataclass
class Part:
    """The part of a workflow that makes the results of one experiment."""

    rules: list[Collection[object]] = field(default_factory=list)
    """The rules of each reading."""
    run: Run | None = None
    """The run, when it has begun."""

    def owns(self, rule: object) -> bool:
        """Return whether a rule is of this part, not of the workflow that has it as a module."""
        return any(rule in rules for rules in self.rules)


PARTS: dict[str, Part] = {}
"""By the folder of an experiment's results."""
INTERRUPTION = Interruption()
