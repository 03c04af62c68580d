"""Tables of results: rows of measured values, published figures in columns of their own.

A table is written as TSV and Markdown. Everything that differs between equal runs (time, host) is
kept out of it and lies in the sidecar, so that tables compare equal.
"""

import csv
import io
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mct.base.errors import UserError
from mct.base.files import read_json, write_text
from mct.base.methods import PRETRAINING, REFERENCE, lineage, roles_of
from mct.base.roles import PAIR, ROLES, Role

MODEL_NAMES: dict[str, str] = {role: role.symbol for role in ROLES} | {PAIR: "Ma and Mp"}
RUN_PATTERN = re.compile(r"seed(\d+)_ranks(\d+)")
MARKDOWN_MARKS = re.compile(r"[\\`*|$<\[]|~(?=~)|&(?=#?\w+;)|(?<!\w)_|_(?!\w)")
"""What ends a cell or begins code, emphasis, a formula, a tag, a link or a named character."""
Row = dict[str, str]


class Run(NamedTuple):
    """What a result's path says: .../<method>/seed<seed>_ranks<ranks>/<role>.*"""

    method: str
    seed: int
    ranks: int
    role: str


def parse_run(path: Path) -> Run:
    """Return the run that a result belongs to."""
    match = RUN_PATTERN.fullmatch(path.parent.name)
    if match is None:
        raise UserError(f"{path}: expected a folder seed<number>_ranks<number>")
    return Run(path.parent.parent.name, int(match[1]), int(match[2]), path.stem)


def read_results(paths: Iterable[Path]) -> dict[Run, dict[str, Any]]:
    """Return the JSON files of several runs by run."""
    return {parse_run(path): read_json(path) for path in paths}


def spread(values: Sequence[float]) -> str:
    """Return the sample standard deviation as text, empty for fewer than two values."""
    return f"{statistics.stdev(values):.2f}" if len(values) > 1 else ""


def accuracy_rows(
    evaluations: Mapping[Run, Mapping[str, Any]],
    records: Mapping[Run, Mapping[str, Any]],
    titles: Mapping[str, str],
    preparations: Mapping[str, Sequence[str]],
    published: Sequence[Row],
) -> list[Row]:
    """Return the rows of the accuracy table, methods in the order of `titles`.

    Accuracies are percent of the test split, mean and sample standard deviation over seeds.
    `preparations` are the trainings that each method needs beside its own. A published figure of
    a method stands in its first row for the deployed model; methods that only others measured get
    rows of their own.
    """
    rows = []
    for method, title in titles.items():
        for role in MODEL_NAMES:
            for ranks in sorted({run.ranks for run in evaluations}):
                key = (method, ranks, role)
                runs = sorted(
                    run for run in evaluations if (run.method, run.ranks, run.role) == key
                )
                if runs:
                    counts = count_samples(runs[0], records, preparations.get(method, ()))
                    row = _measured_row(title, runs, evaluations, counts)
                    rows.append({**row, "note": describe_idle(runs, records)})
    return _with_published(rows, titles, published)


def _measured_row(
    title: str, runs: list[Run], evaluations: Mapping[Run, Any], counts: tuple[int, int]
) -> Row:
    top1, top5 = ([100 * evaluations[run][name] for run in runs] for name in ("top1", "top5"))
    return {
        "method": title,
        "model": MODEL_NAMES[runs[0].role],
        "top1_percent": f"{statistics.mean(top1):.2f}",
        "top1_sd": spread(top1),
        **_compared_with_reference(runs, evaluations),
        "top5_percent": f"{statistics.mean(top5):.2f}",
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


def _compared_with_reference(runs: list[Run], evaluations: Mapping[Run, Any]) -> Row:
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


def deployed_accuracies(
    evaluations: Mapping[Run, Mapping[str, Any]], methods: Iterable[str]
) -> dict[tuple[str, int], list[float]]:
    """Return top-1 in % of deployed models, a value a seed, by method (in that order) and ranks."""
    runs = sorted(run for run in evaluations if run.role == Role.PRIMARY)
    kinds = [(method, ranks) for method in methods for ranks in sorted({run.ranks for run in runs})]
    return {
        kind: [100 * evaluations[run]["top1"] for run in runs if (run.method, run.ranks) == kind]
        for kind in kinds
    }


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


def count_samples(
    run: Run, records: Mapping[Run, Mapping[str, Any]], preparations: Sequence[str] = ()
) -> tuple[int, int]:
    """Return the samples that a run's model (or both) was trained on, and those all models processed.

    The former add up over the trainings that the model went through, the latter over all that the
    method needs, `preparations` included.
    """

    def seen(training: str, role: str) -> int:
        record = records[run._replace(method=training, role="record")]
        return record.get(f"samples_seen_{role}", record["samples_seen"])

    own = sum(
        seen(training, role)
        for role in (ROLES if run.role == PAIR else (run.role,))
        for training in lineage(run.method, role)
    )
    trainings = [*preparations, run.method]
    whole = sum(seen(training, role) for training in trainings for role in roles_of(training))
    return own, whole


def describe_idle(runs: Sequence[Run], records: Mapping[Run, Mapping[str, Any]]) -> str:
    """Return in words which trainings of a row left a model as it was, nothing if none did."""
    idle: dict[str, list[int]] = {}
    for run in runs:
        for role in ROLES if run.role == PAIR else (run.role,):
            for training in lineage(run.method, role):
                record = records[run._replace(method=training, role="record")]
                if not record.get(f"samples_learned_{role}", record["samples_seen"]):
                    text = f"{MODEL_NAMES[role]} learned from no sample in {training}"
                    idle.setdefault(text, []).append(run.seed)
    return "; ".join(
        text if len(seeds) == len(runs) else f"{text} (seed {' '.join(map(str, seeds))})"
        for text, seeds in idle.items()
    )


def _with_published(
    rows: list[Row], titles: Mapping[str, str], published: Sequence[Row]
) -> list[Row]:
    """Return measured rows with published figures, then the methods only others measured."""
    extra = []
    for figure in published:
        text = {
            "published_top1_percent": figure["top1_percent"],
            "published_as": f"{figure['model']}, {figure['source']}",
        }
        title = titles.get(figure["method"])
        own = [row for row in rows if (row["method"], row["model"]) == (title, "Mp")]
        if own and not own[0]["published_as"]:
            own[0].update(text)
        elif rows:
            blank = dict.fromkeys(rows[0], "")
            extra.append({**blank, "method": figure["title"], "kind": "published", **text})
    return rows + extra


def read_published(path: Path, dataset: str) -> list[Row]:
    """Return the published figures of a data set."""
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file, delimiter="\t") if row["dataset"] == dataset]


def all_titles(titles: Mapping[str, str]) -> dict[str, str]:
    """Return the titles of the pretrained models, then those of the configured methods."""
    return {**{name: method.title for name, method in PRETRAINING.items()}, **titles}


def name_clean_set(caption: str, source: str) -> str:
    """Return a caption that says where the clean set comes from."""
    return f"{caption} Clean set: {source}."


def write_table(rows: Sequence[Row], path: Path, caption: str) -> None:
    """Write rows as TSV to `path` and as Markdown with a caption beside it."""
    header = list(rows[0])
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, header, delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
    shown = [name for name in header if any(row[name] for row in rows)]
    cells = [[row[name] for name in shown] for row in rows]
    markdown = [
        _markdown_line(shown),
        _markdown_line(["---"] * len(shown)),
        *map(_markdown_line, cells),
    ]
    write_text(path.with_suffix(".md"), "\n".join([*markdown, "", caption]) + "\n")


def _markdown_line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(_markdown_text, cells))} |"


def _markdown_text(cell: str) -> str:
    """Return text with a backslash before what Markdown would not show as it is."""
    return MARKDOWN_MARKS.sub(r"\\\g<0>", cell)
