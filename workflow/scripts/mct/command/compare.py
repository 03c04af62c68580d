"""Set two experiments side by side: the accuracy of each method, and the difference seed by seed.

Both must have been evaluated on the same split of a data set of the same name. The difference is
B minus A, in points, with its 95 % interval (Student's t) over seeds that both have.
"""

import argparse
import statistics
from pathlib import Path

from mct.base.errors import UserError
from mct.cluster.overview import aligned
from mct.command.experiments import Finished
from mct.command.printing import show, user_path
from mct.results.accuracy import paired_difference, spread
from mct.results.tables import read_results

HEADER = ["method", "A", "B", "B - A", "95 % interval", "seeds"]
Accuracies = dict[tuple[int, int], float]
"""Top-1 % of a method's deployed model by seed and ranks."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("a", type=user_path, help="an experiment's folder of results")
    parser.add_argument("b", type=user_path, help="another one")


def run(options: argparse.Namespace) -> None:
    """Print a table with a row for each method of either experiment."""
    one, other = Finished(options.a), Finished(options.b)
    if one.config["split"] != other.config["split"]:
        raise UserError(
            f"split: {options.a} has {one.config['split']}, {options.b} has "
            f"{other.config['split']}; expected the same"
        )
    if one.files.dataset != other.files.dataset:
        raise UserError(
            f"dataset.name: {options.a} has {one.files.dataset}, {options.b} has "
            f"{other.files.dataset}; accuracies of different data cannot be compared"
        )
    rows = [row(name, *both) for name, both in paired(accuracies(one), accuracies(other)).items()]
    if not rows:
        raise UserError(f"{options.a}, {options.b}: no evaluation is there yet; run them first")
    show([f"A: {options.a}", f"B: {options.b}", "", *aligned([HEADER, *rows])])


def accuracies(experiment: Finished) -> dict[str, Accuracies]:
    """Return the accuracies of deployed models by method."""
    paths = [Path(path) for path in experiment.files.deployed_evaluations()]
    found: dict[str, Accuracies] = {}
    for run_, result in read_results(path for path in paths if path.is_file()).items():
        found.setdefault(run_.method, {})[run_.seed, run_.ranks] = 100 * result["top1"]
    return found


def paired(
    one: dict[str, Accuracies], other: dict[str, Accuracies]
) -> dict[str, tuple[Accuracies, Accuracies]]:
    """Return both experiments' accuracies by method, in the order of the first."""
    names = dict.fromkeys([*one, *other])
    return {name: (one.get(name, {}), other.get(name, {})) for name in names}


def row(method: str, one: Accuracies, other: Accuracies) -> list[str]:
    """Return the row of a method."""
    common = sorted(set(one) & set(other))
    differences = paired_difference([other[run] - one[run] for run in common])
    texts = [f"{value:+.2f}" for value in differences]
    interval = f"{texts[1]} to {texts[2]}" if len(texts) == 3 else ""
    return [method, mean(one), mean(other), texts[0] if texts else "", interval, str(len(common))]


def mean(values: Accuracies) -> str:
    """Return mean and sample standard deviation as text."""
    found = list(values.values())
    if not found:
        return "-"
    deviation = spread(found)
    return f"{statistics.mean(found):.2f}" + (f" ± {deviation}" if deviation else "")
