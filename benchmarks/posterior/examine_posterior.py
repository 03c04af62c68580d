r"""What a calibrated pair knows of the true labels, and what more its predictions could tell.

    python -m benchmarks.posterior.examine_posterior --results results/cifar10n_study \
        --output benchmarks/posterior/posterior

Accuracy, in %, of the pair's predictions on the split of the tables, and on the noisy pictures that are
not clean: of their posteriors given the observed label (counted confusion, several sharpenings), and of a
softmax regression on the same evidence that is fitted to the true labels of one half of these pictures
and judged on the other. The latter is no method: it tells what posterior targets leave on the table.
True labels must be known (`dataset.measuring_labels`).
"""

import argparse
from pathlib import Path
from statistics import mean

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from benchmarks.shared.conditions import describe_conditions
from mct.data.imagesets import ImageSet, open_set
from mct.labels.confusions import read_confusion
from mct.learning.prediction import Predictor
from mct.results.accuracy import spread
from mct.results.predictions import trained_settings
from mct.results.tables import write_table
from mct.stage.entry import read_execution

SHARPENINGS = (1.0, 1.3, 1.6, 2.0)
FEW = 1e-6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--method", default="mct")
    parser.add_argument("--output", type=Path, required=True, help="results, without ending")
    options = parser.parse_args()
    config = yaml.safe_load((options.results / "config.yaml").read_text())
    name = config["dataset"]["name"]
    sets = {
        part: open_set(part, options.results / f"shards/{name}/labels.parquet")
        for part in ("noisy", config["split"])
    }
    confusion = read_confusion(options.results / f"noise/{name}.json")
    folders = sorted(options.results.glob(f"models/{name}/{options.method}/seed*_ranks*"))
    runs = [examine(folder, sets["noisy"], sets[config["split"]], confusion) for folder in folders]
    rows = [
        {
            "what": key,
            "percent": f"{mean(run[key] for run in runs):.2f}",
            "sd": spread([run[key] for run in runs]),
            "runs": " ".join(folder.name for folder in folders),
        }
        for key in runs[0]
    ]
    write_table(rows, options.output.with_suffix(".tsv"), describe_conditions(CAPTION))


CAPTION = "Accuracy in %, mean and sample standard deviation over runs."


def examine(
    folder: Path, noisy: ImageSet, held_out: ImageSet, confusion: NDArray
) -> dict[str, float]:
    """Return the accuracies of a run by name, in %."""
    tested, labels = predictions(folder, held_out)
    trained, _ = predictions(folder, noisy)
    kept = ~noisy.in_clean & (noisy.true >= 0)
    pair, observed, true = trained.mean(axis=0)[kept], noisy.observed[kept], noisy.true[kept]
    found = {
        "Ma, held out": score(tested[0], labels),
        "Mp, held out": score(tested[1], labels),
        "mean of the pair, held out": score(tested.mean(axis=0), labels),
        "observed labels, noisy pictures": 100 * float((observed == true).mean()),
        "mean of the pair, noisy pictures": score(pair, true),
    }
    for power in SHARPENINGS:
        name = f"posterior, sharpening {power}, noisy pictures"
        found[name] = score(pair**power * confusion.T[observed], true)
    found["regression on true labels, noisy pictures"] = regression(pair, observed, true)
    return found


def predictions(folder: Path, image_set: ImageSet) -> tuple[NDArray, NDArray]:
    """Return Ma's and Mp's probabilities, shape (2, n, K), and the set's labels."""
    files = [folder / f"{role}.safetensors" for role in ("auxiliary", "primary")]
    settings = trained_settings(files)
    execution = read_execution(folder.parents[3] / "config.yaml")
    logits = []
    for weights in files:
        predictor = Predictor(weights, settings, image_set.classes, execution)
        own, labels = predictor.predict(image_set)
        logits.append(own)
    return softmax(np.stack(logits), axis=2), labels


def regression(pair: NDArray, observed: NDArray, true: NDArray) -> float:
    """Return the accuracy of the fitted rule on the half of the pictures that it was not fitted to."""
    evidence = np.hstack([np.log(pair + FEW), np.eye(pair.shape[1])[observed]])
    fitted = np.random.default_rng(0).random(len(true)) < 0.5
    rule = LogisticRegression(max_iter=2000).fit(evidence[fitted], true[fitted])
    return 100 * float(rule.score(evidence[~fitted], true[~fitted]))


def score(values: NDArray, labels: NDArray) -> float:
    """Return the accuracy, in %, of the largest value of each row."""
    return 100 * float((values.argmax(axis=1) == labels).mean())


if __name__ == "__main__":
    main()
