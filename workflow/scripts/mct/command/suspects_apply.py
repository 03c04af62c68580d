"""Check a review against the data, and append it to `dataset.reviews` of a configuration.

Comments and order of the configuration stay. A review that is named there already is checked again.
"""

import argparse
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from mct.base.errors import UserError
from mct.base.files import replacing
from mct.base.texts import read_cells, read_table, trim
from mct.command.check import MEMORY, configured
from mct.command.plan import duration, read_plan, shown, start_words
from mct.command.printing import count, show, user_path
from mct.command.yaml_lists import with_item
from mct.data.catalogue import build_catalogue, read_catalogue
from mct.data.layouts.base import LISTED
from mct.data.layouts.classes import Classes
from mct.data.reviews import COLUMNS, Decision, read_reviews
from mct.experiment.experiment import Experiment
from mct.experiment.paths import spell_file
from mct.results.suspect_files import read_suspects

KEY = "reviews"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("review", type=user_path, help="a table with the columns key and label")
    parser.add_argument("config", type=user_path, help="a configuration, as --configfile takes it")
    parser.add_argument("--cores", type=count, default=len(os.sched_getaffinity(0)))


def run(options: argparse.Namespace) -> None:
    """Append a review to a configuration; UserError where it does not fit the data."""
    config, review = configured(options.config), spell_file(str(options.review))
    dataset = config.get("dataset") or {}
    named = [spell_file(path) for path in dataset.get(KEY) or ()]
    reviews = list(dict.fromkeys([*named, review]))
    experiment = Experiment({**config, "dataset": {**dataset, KEY: reviews}}, memory=MEMORY)
    experiment.check_paths()
    decisions = read_reviews([review], experiment.lists.classes)
    if not decisions:
        raise UserError(f"{review}: nothing is decided; expected a class in the column label")
    observed = observed_labels(experiment)
    check_observed(Path(review), decisions, observed, experiment.lists.classes)
    show([summary(review, decisions, observed, experiment)])
    if review in named:
        show([f"{options.config}: names it already"])
    else:
        append(options.config, review)
        show([f"{options.config}: dataset.{KEY} names it now"])
    plan = read_plan(options.config, options.cores)
    show(["", "the next run:", *(plan or ["nothing"]), *duration(plan, options.cores)])
    show([f"start it: {shown(options.config, start_words(options.cores))}"])


def append(config: Path, review: str) -> None:
    """Name a review in a file; the rest of its text stays."""
    text = config.read_bytes().decode()
    changed = with_item(text, ("dataset", KEY), review, str(config))
    with replacing(config.resolve()) as temporary:
        temporary.write_bytes(changed.encode())


def observed_labels(experiment: Experiment) -> dict[str, int]:
    """Return the observed labels by key; none where they are made in a run that has not been yet."""
    path = Path(experiment.folder, "catalogue", f"{experiment.dataset}.tsv")
    if path.is_file():
        catalogue = read_catalogue(path)
    elif experiment.layout.is_synthetic:
        return {}
    else:
        catalogue = build_catalogue(experiment.layout, LISTED, check_files=False)
    return dict(zip(catalogue.keys, catalogue.observed.tolist(), strict=True))


def check_observed(
    review: Path, decisions: Mapping[str, Decision], observed: Mapping[str, int], names: list[str]
) -> None:
    """Raise UserError where a review that repeats observed labels was made of other ones."""
    columns = (*COLUMNS, "observed")
    if "observed" not in map(trim, next(read_cells(review, columns))[1]):
        return
    find = Classes(names).find
    for line, (key, _, text) in read_table(review, columns):
        if key in decisions and text and find(text) != observed.get(key, find(text)):
            raise UserError(
                f"{review}, line {line}: key {key} was reviewed with the observed label {text!r}, and has "
                f"{names[observed[key]]!r}; the review is of other labels, or of an older list"
            )


def summary(
    review: str,
    decisions: Mapping[str, Decision],
    observed: Mapping[str, int],
    experiment: Experiment,
) -> str:
    """Return in words what was decided."""
    names = experiment.lists.classes
    path = Path(experiment.folder, "suspects", f"{experiment.dataset}.tsv")
    proposed = {one.key: one.proposed for one in read_suspects(path)} if path.is_file() else {}
    kinds: Counter[str] = Counter()
    for key, decision in decisions.items():
        is_kept, is_proposed = (
            decision.label == observed.get(key),
            names[decision.label] == proposed.get(key),
        )
        kinds["kept" if is_kept else "accepted" if is_proposed else "other"] += 1
    rows = sum(1 for _ in read_table(Path(review), COLUMNS))
    parts = {
        "proposals accepted": kinds["accepted"],
        "proposals rejected, the label kept": kinds["kept"],
        "changed to another class": kinds["other"],
    }
    counts = "; ".join(f"{what}: {count}" for what, count in parts.items())
    return f"{review}: {len(decisions)} of {rows} rows decided; {counts}"
