"""The accuracy table: rows of measured values, published figures in columns of their own."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import ArrayLike

from mct.base.roles import PAIR, REFERENCE, ROLES, Role
from mct.labels.agreement import describe_contradiction
from mct.labels.starved import describe_starved
from mct.results.imbalance import balanced_accuracy, macro_f1
from mct.results.tables import Results, Row, Run, read_rows

MODEL_NAMES: dict[str, str] = {role: role.symbol for role in ROLES} | {PAIR: "Ma and Mp"}


class Method(NamedTuple):
    """What a row needs to know of a method, or of a training that it needs before.

    `lineages` are, by role, the trainings that its model went through, its own last.
    """

    title: str
    preparations: Sequence[str]
    lineages: Mapping[str, Sequence[str]]


Methods = Mapping[str, Method]


def spread(values: Sequence[float]) -> str:
    """Return the sample standard deviation as text, empty for fewer than two values."""
    return f"{statistics.stdev(values):.2f}" if len(values) > 1 else ""


def accuracy_rows(
    evaluations: Results, records: Results, methods: Methods, published: Sequence[Row]
) -> list[Row]:
    """Return the rows of the accuracy table, methods in the order of `methods`.

    Accuracies are percent of the test split, mean and sample standard deviation over seeds. The
    first row of a method's deployed model has its published figure; methods that only others
    measured have their own rows.
    """
    rows = []
    for method, facts in methods.items():
        for role in MODEL_NAMES:
            for ranks in sorted({run.ranks for run in evaluations}):
                key = (method, ranks, role)
                runs = sorted(
                    run for run in evaluations if (run.method, run.ranks, run.role) == key
                )
                if runs:
                    counts = count_samples(runs[0], records, methods)
                    row = _measured_row(facts.title, runs, evaluations, counts)
                    rows.append({**row, "note": describe_doubts(runs, records, methods)})
    return _with_published(rows, methods, published)


def _measured_row(
    title: str, runs: list[Run], evaluations: Results, counts: tuple[int, int]
) -> Row:
    top1, top5 = ([100 * evaluations[run][name] for run in runs] for name in ("top1", "top5"))
    return {
        "method": title,
        "model": MODEL_NAMES[runs[0].role],
        "top1_percent": f"{statistics.mean(top1):.2f}",
        "top1_sd": spread(top1),
        **_compared_with_reference(runs, evaluations),
        "top5_percent": f"{statistics.mean(top5):.2f}",
        "balanced_percent": _mean_percent(balanced_accuracy, runs, evaluations),
        "macro_f1_percent": _mean_percent(macro_f1, runs, evaluations),
        "n": str(len(runs)),
        "seeds": " ".join(str(run.seed) for run in runs),
        "ranks": str(runs[0].ranks),
        "samples_seen_by_model": str(counts[0]),
        "samples_of_method": str(counts[1]),
        "split": evaluations[runs[0]]["split"],
        "kind": "measured",
        "published_top1_percent": "",
        "published_as": "",
    }


def _mean_percent(
    measure: Callable[[ArrayLike], float], runs: list[Run], evaluations: Results
) -> str:
    """Return the mean over runs of a measure of their confusion matrices."""
    return f"{100 * statistics.mean(measure(evaluations[run]['confusion']) for run in runs):.2f}"


def _compared_with_reference(runs: list[Run], evaluations: Results) -> Row:
    """Return how far Mp, or a pair, is above Mp of method `mct`, seed by seed, in points.

    Both ends of the 95 % interval are empty for fewer than two seeds, all for Mp of `mct` itself.
    """
    deployed = [run for run in runs if run.role in (Role.PRIMARY, PAIR)]
    pairs = [(run, run._replace(method=REFERENCE, role=Role.PRIMARY)) for run in deployed]
    differences = [
        100 * (evaluations[own]["top1"] - evaluations[other]["top1"])
        for own, other in pairs
        if other in evaluations and own != other
    ]
    texts = [f"{value:+.2f}" for value in paired_difference(differences)]
    names = ("minus_mct", "minus_mct_low", "minus_mct_high")
    return dict(zip(names, [*texts, "", "", ""], strict=False))


def paired_difference(differences: Sequence[float], percent: float = 95) -> list[float]:
    """Return the mean of paired differences and the ends of its interval (Student's t).

    The mean alone for one difference, nothing for none.
    """
    if not differences:
        return []
    mean = statistics.mean(differences)
    if len(differences) == 1:
        return [mean]
    from scipy.stats import t  # slow to import

    error = statistics.stdev(differences) / len(differences) ** 0.5
    reach = float(t.ppf(0.5 + percent / 200, len(differences) - 1)) * error
    return [mean, mean - reach, mean + reach]


def count_samples(run: Run, records: Results, methods: Methods) -> tuple[int, int]:
    """Return the samples that a run's model (or both) saw, and those that the method needed.

    The first number adds up the trainings of the model, the second all trainings of the method and
    its preparations. An ensemble has no training of its own.
    """

    def seen(training: str, role: str) -> int:
        record = records[run._replace(method=training, role="record")]
        return record.get(f"samples_seen_{role}", record["samples_seen"])

    own = sum(
        seen(training, role)
        for role in (ROLES if run.role == PAIR else (run.role,))
        for training in methods[run.method].lineages[role]
    )
    facts = methods[run.method]
    is_trained = any(run.method in lineage for lineage in facts.lineages.values())
    trainings = [*facts.preparations, *([run.method] if is_trained else [])]
    whole = sum(seen(each, role) for each in trainings for role in methods[each].lineages)
    return own, whole


def describe_doubts(runs: Sequence[Run], records: Results, methods: Methods) -> str:
    """Return in words what is doubtful about the trainings of a row, empty if there is nothing.

    A model did not change, classes starved, or the confusion of labels contradicted P.
    """
    doubts: dict[str, set[int]] = {}
    for run in runs:
        for role in ROLES if run.role == PAIR else (run.role,):
            for training in methods[run.method].lineages[role]:
                record = records[run._replace(method=training, role="record")]
                for doubt in _doubts(record, role):
                    doubts.setdefault(f"{doubt} in {training}", set()).add(run.seed)
    return "; ".join(
        text if len(seeds) == len(runs) else f"{text} (seed {' '.join(map(str, sorted(seeds)))})"
        for text, seeds in doubts.items()
    )


def _doubts(record: Mapping[str, Any], role: str) -> list[str]:
    """Return what is doubtful about the training of a model, by its record."""
    if not record.get(f"samples_learned_{role}", record["samples_seen"]):
        return [f"{MODEL_NAMES[role]} learned from no sample"]
    contradiction = describe_contradiction(record)
    starved = record.get("starved_classes", {}).get(role, [])
    text = f"{MODEL_NAMES[role]} {describe_starved(starved)}" if starved else ""
    return [doubt for doubt in (contradiction, text) if doubt]


def _with_published(rows: list[Row], methods: Methods, published: Sequence[Row]) -> list[Row]:
    """Return measured rows with published figures, then the methods only others measured."""
    extra = []
    for figure in published:
        text = {
            "published_top1_percent": figure["top1_percent"],
            "published_as": describe_published(figure),
        }
        known = methods.get(figure["method"])
        title = known and known.title
        own = [row for row in rows if (row["method"], row["model"]) == (title, "Mp")]
        if own and not own[0]["published_as"]:
            own[0].update(text)
        elif rows:
            blank = dict.fromkeys(rows[0], "")
            extra.append({**blank, "method": figure["title"], "kind": "published", **text})
    return rows + extra


def describe_published(figure: Row) -> str:
    """Return where a published figure is from, and what it is the accuracy of."""
    conditions = ", ".join(f"{name}: {figure[name]}" for name in ("weights", "split", "epoch"))
    return f"{figure['model']}, {figure['source']} ({conditions})"


def read_published(path: Path, dataset: str) -> list[Row]:
    """Return the published figures of a data set."""
    return [row for row in read_rows(path) if row["dataset"] == dataset]
