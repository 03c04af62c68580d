"""Write suspects for other programs, or the data set's table with reviewed labels.

label-studio  tasks with the proposed class as a prediction (JSON), and the labelling interface (XML)
cleanlab      key, is_label_issue, label_score, given_label, predicted_label of every judged picture (CSV)
table         path, label, true_label, split, as layout `table` reads them; reviews alone change labels (CSV)
"""

import argparse
import base64
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from mct.base.files import write_json, write_text
from mct.base.texts import read_names
from mct.command.experiments import Finished
from mct.command.printing import no_such, show, user_path
from mct.data.catalogue import read_catalogue
from mct.data.imagesets import open_set
from mct.data.label_table import read_columns
from mct.data.quarantine import read_kinds
from mct.data.reviews import apply_reviews, read_reviews
from mct.labels.judging import read_judgements
from mct.results import label_studio, suspect_files
from mct.results.page import thumbnail

FORMATS = {"label-studio": ".json", "cleanlab": ".csv", "table": ".csv"}
SIDE, BYTES = 256, 30_000
"""Of a picture inside a task: most pixels of a side, and bytes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("results", type=user_path, help="an experiment's folder of results")
    parser.add_argument("--format", choices=FORMATS, required=True)
    parser.add_argument(
        "--output", type=user_path, help="<results>/suspects/<dataset>.<format> by default"
    )
    parser.add_argument("--first", type=int, default=2000, help="label-studio: so many suspects")
    parser.add_argument(
        "--pictures",
        help="label-studio: what paths of pictures begin with, such as `/data/local-files/?d=`; "
        "without it tasks hold small pictures themselves",
    )
    parser.add_argument(
        "--reviews",
        nargs="*",
        help="table: these files instead of the experiment's dataset.reviews",
    )


def run(options: argparse.Namespace) -> None:
    """Write a file; UserError where results lack what it is made of."""
    experiment = Finished(options.results)
    name = f"{experiment.files.dataset}.{options.format}{FORMATS[options.format]}"
    output = options.output or experiment.folder / "suspects" / name
    writers = {"label-studio": _tasks, "cleanlab": _cleanlab, "table": _table}
    show([writers[options.format](experiment, options, output)])


def _tasks(experiment: Finished, options: argparse.Namespace, output: Path) -> str:
    suspects = _listed(experiment)[: max(0, options.first)]
    labels, names = _labels(experiment), _names(experiment)
    picture = _located(labels, options.pictures) if options.pictures else _embedded(labels)
    version = f"mct {experiment.config['experiment']}"
    tasks = label_studio.make_tasks(suspects, picture, version)
    write_json(output, tasks)
    write_text(output.with_suffix(".xml"), label_studio.interface(names))
    return f"{output}: {len(tasks)} tasks; {output.with_suffix('.xml')}: the labelling interface"


def _located(labels: Path, beginning: str) -> Callable[[str], str]:
    """Return what gives a key's URL."""
    table = read_columns(labels, "key", "path")
    paths = dict(zip(table["key"], table["path"], strict=True))
    return lambda key: beginning + quote(paths[key])


def _embedded(labels: Path) -> Callable[[str], str]:
    """Return what gives a key's picture as a URL that holds it."""
    noisy = open_set("noisy", labels)
    places = {key.decode(): place for place, key in enumerate(noisy.keys())}

    def url(key: str) -> str:
        data = thumbnail(noisy.read(places[key]), SIDE, BYTES)
        return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"

    return url


def _cleanlab(experiment: Finished, options: argparse.Namespace, output: Path) -> str:
    folder = experiment.folder / "suspects" / experiment.files.dataset
    parts, names = sorted(folder.glob("*.h5")), _names(experiment)
    if parts:
        judged = open_set("noisy", _labels(experiment)).unverified()
        judgement = read_judgements(judged.sample, parts)
        rows = list(suspect_files.cleanlab_rows(judged, judgement, names))
    else:
        rows = list(suspect_files.listed_cleanlab_rows(_listed(experiment)))
    suspect_files.write_csv(output, suspect_files.CLEANLAB, rows)
    issues = sum(row[1] is True for row in rows)
    return f"{output}: {len(rows)} pictures, {issues} of them issues"


def _table(experiment: Finished, options: argparse.Namespace, output: Path) -> str:
    given = experiment.config["dataset"].get("reviews", [])
    reviews, names = (
        given if options.reviews is None else options.reviews,
        _names(experiment),
    )
    catalogue = read_catalogue(_made(experiment, ".tsv"))
    decisions = read_reviews(reviews, names)
    apply_reviews(catalogue, decisions, names)  # which checks them
    left_out = read_kinds(_made(experiment, ".quarantine.tsv"))
    rows = list(suspect_files.corrected_rows(catalogue, decisions, left_out, names))
    suspect_files.write_csv(output, suspect_files.CORRECTED, rows)
    return f"{output}: {len(rows)} pictures, {len(decisions)} labels by {len(reviews)} reviews"


def _made(experiment: Finished, ending: str) -> Path:
    """Return a file of the catalogue; UserError where it is not there."""
    return _there(experiment.folder / "catalogue" / f"{experiment.files.dataset}{ending}")


def _names(experiment: Finished) -> list[str]:
    return read_names(_there(experiment.classes))


def _labels(experiment: Finished) -> Path:
    return _there(experiment.folder / "shards" / experiment.files.dataset / "labels.parquet")


def _listed(experiment: Finished) -> list[suspect_files.Suspect]:
    path = _there(experiment.folder / "suspects" / f"{experiment.files.dataset}.tsv")
    return suspect_files.read_suspects(path)


def _there(path: Path) -> Path:
    if not path.is_file():
        raise no_such(str(path), "a file of a finished run; run `mct suspects CONFIG` first")
    return path
