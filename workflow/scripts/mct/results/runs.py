"""Results by run: a method, a seed and a number of ranks, read from the path of a file."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mct.base.errors import UserError
from mct.base.files import read_json
from mct.base.roles import Role

RUN_PATTERN = re.compile(r"seed(\d+)_ranks(\d+)")


class Run(NamedTuple):
    """What a result's path says: .../<method>/seed<seed>_ranks<ranks>/<role>.*"""

    method: str
    seed: int
    ranks: int
    role: str


Results = Mapping[Run, Mapping[str, Any]]


def parse_run(path: Path) -> Run:
    """Return the run that a result belongs to."""
    match = RUN_PATTERN.fullmatch(path.parent.name)
    if match is None:
        raise UserError(f"{path}: expected a folder seed<number>_ranks<number>")
    return Run(path.parent.parent.name, int(match[1]), int(match[2]), path.stem)


def read_results(paths: Iterable[Path]) -> dict[Run, dict[str, Any]]:
    """Return the JSON files of several runs by run."""
    return {parse_run(path): read_json(path) for path in paths}


def deployed_accuracies(
    evaluations: Results, methods: Iterable[str]
) -> dict[tuple[str, int], list[float]]:
    """Return top-1 in % of deployed models, a value a seed, by method (in that order) and ranks."""
    runs = sorted(run for run in evaluations if run.role == Role.PRIMARY)
    kinds = [(method, ranks) for method in methods for ranks in sorted({run.ranks for run in runs})]
    return {
        kind: [100 * evaluations[run]["top1"] for run in runs if (run.method, run.ranks) == kind]
        for kind in kinds
    }
