r"""How well suspects are ranked where the truth is known: our probability, and cleanlab's scores.

    snakemake --cores 2 suspects --configfile CONFIG        (rankings.md: as in trials/second_round.yaml)
    python -m benchmarks.suspects.make_folds --root /data/cifar10n_20k --output /data/folds
    snakemake --cores 2 --configfile CONFIG --config experiment=FOLD_0 'seeds=[0]' \
        'methods=[noise_only]' 'dataset={root: /data/folds/fold_0}'        (and so on, to fold 4)
    python -m benchmarks.suspects.compare_rankings --results results/NAME --truth TRUE_LABELS \
        --output benchmarks/suspects/rankings --folds results/FOLD_0 results/FOLD_1 ...

All rankings are of the noisy pictures outside the clean set whose true label the file of lines
`key label` has. Ours is the list of suspects' own probability (`results/NAME/suspects`), from the
posterior of the pairs. cleanlab (`pip install cleanlab`; Northcutt et al., JAIR 2021; Kuan and Mueller,
2022) scores the mean prediction of the same pairs: by the given label's probability (self-confidence),
and by that minus the largest other one (normalised margin). Both see the same models and no truth. The
models have seen the pictures, while cleanlab advises predictions of models that have not: these are
`--folds`, experiments of noise only that each lack a part of the noisy pictures (make_folds.py). A
picture is predicted by the fold that lacks it.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from benchmarks.shared.conditions import describe_conditions
from mct.base.errors import UserError
from mct.base.packages import advise_installing
from mct.base.roles import ROLES, Role
from mct.base.texts import read_names
from mct.command.experiments import Finished
from mct.data.imagesets import ImageSet, open_set
from mct.data.layouts.classes import UNKNOWN
from mct.data.layouts.stored import read_labels
from mct.labels.judging import read_judgements
from mct.learning.prediction import Predictor, mean_probabilities
from mct.results.predictions import trained_settings
from mct.results.suspects import FIRST
from mct.results.tables import Row, write_table
from mct.stage.entry import read_execution

METHODS = {"cleanlab, self-confidence": "self_confidence",
           "cleanlab, normalised margin": "normalized_margin"}  # fmt: skip
CAPTION = """Share of wrong labels, in %, among the first of each ranking of {labels} labels of which
{wrong} are wrong, and average precision (area under precision and recall), in %, by {runs} pairs of
method {method}."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True, help="lines `key label`")
    parser.add_argument("--output", type=Path, required=True, help="results, without ending")
    parser.add_argument(
        "--folds", type=Path, nargs="+", default=[], help="results that lack a part of the pictures"
    )
    options = parser.parse_args()
    try:
        folds = [Finished(folder) for folder in options.folds]
        rows, caption = compare(Finished(options.results), options.truth, folds)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    write_table(rows, options.output.with_suffix(".tsv"), describe_conditions(caption))
    print(options.output.with_suffix(".md").read_text())


def compare(experiment: Finished, truth: Path, folds: Sequence[Finished]) -> tuple[list[Row], str]:
    """Return a row for each ranking, and what the table shows; UserError for what is missing."""
    if advice := advise_installing("cleanlab"):
        raise UserError(f"scores are compared with cleanlab's, and {advice}")
    files, folder = experiment.files, experiment.folder
    noisy = open_set("noisy", folder / f"shards/{files.dataset}/labels.parquet").unverified()
    lists = sorted((folder / f"suspects/{files.dataset}").glob("*.h5"))
    if not lists or files.judging_method is None:
        raise UserError(f"{folder}/suspects/: expected judgements; run the target `suspects` first")
    known, true = find_truth(noisy, read_labels(truth, read_names(experiment.classes)))
    if not known.any():
        raise UserError(
            f"{truth}: expected keys as in the catalogue, found none of these pictures'"
        )
    ours = 1 - read_judgements(noisy.sample, lists).wrong[known]
    judged, wrong = noisy.take(np.flatnonzero(known)), noisy.observed[known] != true
    scores = {"ours": ours, **cleanlab_scores(judged, predict(experiment, judged), "")}
    if folds:
        unseen = predict_unseen(folds, judged)
        scores |= cleanlab_scores(judged, unseen, f", {len(folds)} folds of noise only")
    caption = CAPTION.format(
        labels=f"{len(wrong):,}", wrong=f"{wrong.sum():,}", runs=len(files.runs()),
        method=files.judging_method,
    )  # fmt: skip
    return rank_rows(scores, wrong), " ".join(caption.split())


def find_truth(
    noisy: ImageSet, labels: Mapping[str, int]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return which pictures (n,) have a true label, and the labels of these."""
    keys = noisy.keys()
    found = np.array([labels.get(key.decode(), UNKNOWN) for key in keys], np.int64)
    known = found != UNKNOWN
    return known, found[known]


def predict(
    experiment: Finished, judged: ImageSet, method: str = "", roles: Sequence[Role] = ROLES
) -> NDArray[np.float64]:
    """Return the mean probabilities (n, K) of a method's models of all runs.

    These are the pairs that made the list of suspects where nothing else is said.
    """
    files = experiment.files
    execution = read_execution(experiment.folder / "config.yaml")
    means = []
    for run in files.runs():
        trained = method or str(files.judging_method)
        paths = [Path(files.model(trained, run, f"{role}.safetensors")) for role in roles]
        settings = trained_settings(paths)
        models = [Predictor(path, settings, judged.classes, execution) for path in paths]
        means.append(mean_probabilities([model.predict(judged)[0] for model in models]))
    return np.mean(means, axis=0)


def predict_unseen(folds: Sequence[Finished], judged: ImageSet) -> NDArray[np.float64]:
    """Return probabilities (n, K), each picture's by the noise-only models of the fold that lacks it."""
    probabilities = np.full((len(judged.observed), judged.classes), np.nan)
    keys = judged.keys()
    for fold in folds:
        labels = fold.folder / f"shards/{fold.files.dataset}/labels.parquet"
        unseen = np.flatnonzero(~np.isin(keys, open_set("noisy", labels).keys()))
        part = predict(fold, judged.take(unseen), "noise_only", (Role.PRIMARY,))
        probabilities[unseen] = part
    if np.isnan(probabilities).any():
        raise UserError("--folds: expected each picture missing from one of them")
    return probabilities


def cleanlab_scores(
    judged: ImageSet, predicted: NDArray[np.float64], suffix: str
) -> dict[str, NDArray[np.float64]]:
    """Return cleanlab's scores (n,) of the given labels by name, lower where one is more suspicious."""
    from cleanlab.rank import get_label_quality_scores

    return {
        name + suffix: get_label_quality_scores(judged.observed, predicted, method=method)
        for name, method in METHODS.items()
    }


def rank_rows(scores: Mapping[str, NDArray[np.float64]], wrong: NDArray[np.bool_]) -> list[Row]:
    """Return a row for each score (n,), lower where a label is more suspicious."""
    rows = []
    for name, score in scores.items():
        order = np.argsort(score, kind="stable")
        row = {"ranking": name}
        for first in FIRST:
            enough = first <= len(order)
            row[f"first_{first}"] = f"{100 * wrong[order[:first]].mean():.1f}" if enough else ""
        row["average_precision"] = f"{100 * average_precision_score(wrong, -score):.2f}"
        rows.append(row)
    return rows


if __name__ == "__main__":
    main()
