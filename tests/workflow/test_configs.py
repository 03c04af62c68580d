"""Every configuration of a public data set, run to its tables on a small tree of its layout."""

import csv

import pytest
import yaml
from projects import LONG, PROJECT, Run
from trees import TREES, write_tree_of

QUICK = [
    "experiment=quick",
    "seeds=[0]",
    "ranks=[2]",
    "methods=[mct]",
    "images={size: 16, resize: 20, encoding: encoded}",
    "model={name: small_cnn, initial_weights: null}",
    "pretraining={epochs_auxiliary: 1, epochs_primary: 1}",
    "calibration={epochs: 1}",
    "finetuning={methods: [mct]}",
    "shards={count: 1}",
]
"""Everything else is the configuration's own."""


def layout_of(config) -> str:
    return yaml.safe_load(config.read_text()).get("dataset", {}).get("layout", "digits")


SAME_DATA = ("alexnet_scaling", "cifar10n_resnet34", "cifar10n_study", "large_batch")
"""Configurations of data sets that another one already takes through."""
CONFIGS = [
    path
    for path in sorted((PROJECT / "config").glob("*.yaml"))
    if layout_of(path) in TREES and path.stem not in SAME_DATA
]


@LONG
@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_a_public_data_set_goes_through(snakemake: Run, config, tmp_path):
    root = write_tree_of(config, tmp_path / "data")
    options = ("--configfile", config, "--config", root, f"results={tmp_path}", *QUICK)
    accuracy, kept = (tmp_path / f"quick/tables/{name}.tsv" for name in ("accuracy", "pictures"))
    run = snakemake(accuracy, kept, "--cores", 2, *options)
    assert run.returncode == 0, run.stdout + run.stderr
    with accuracy.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    deployed = next(row for row in rows if (row["method"], row["model"]) == ("MCT", "Mp"))
    assert deployed["kind"] == "measured"
    assert 0 <= float(deployed["top1_percent"]) <= 100
    with kept.open(newline="") as file:
        pictures = {row["quantity"]: row for row in csv.DictReader(file, delimiter="\t")}
    for name in ("noisy", "clean", "validation", "test"):
        assert pictures["kept"][name] == pictures["listed"][name] != "0"
