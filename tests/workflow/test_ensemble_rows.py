"""Ensembles added to a finished run: only their trainings run, and the table has their rows."""

import csv
from pathlib import Path

from projects import LONG, change_config, run_snakemake
from trees import SIZES

COMMAND = ("results/tiny/tables/accuracy.tsv", "--cores", 2, "--configfile", "tiny.yaml")


def read_table(project: Path) -> dict[str, dict[str, str]]:
    with (project / "results/tiny/tables/accuracy.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {row["method"]: row for row in rows if row["model"] == "Mp"}


@LONG
def test_ensembles_and_distilled_models_are_rows_of_the_table(copied: Path):
    methods = [
        "collapsed_ensemble",
        "collapsed_ensemble_distilled",
        "mct_paper",
        "mct_paper_distilled",
    ]
    section = {"cycles": 2, "distillation_epochs": 1}
    change_config(copied, methods=methods, ensemble=section)
    run = run_snakemake(copied, *COMMAND)
    assert run.returncode == 0, run.stdout + run.stderr
    for rule in ("write_shard", "pretrain_primary", "calibrate_pair"):
        assert f"rule {rule}:" not in run.stdout + run.stderr
    rows = read_table(copied)
    seen = {name: int(row["samples_seen_by_model"]) for name, row in rows.items()}
    title = "Noise only, collapsed ensemble"
    budget = seen[title]
    assert seen["Noise only, cycle 2 collapsed"] == round(0.9 * budget)
    assert seen[f"{title}, distilled"] == seen["Noise only, cycle 2 collapsed"] + SIZES["noisy"]
    assert int(rows[f"{title}, distilled"]["samples_of_method"]) == budget + SIZES["noisy"]
    assert seen["MCT (paper), distilled"] == seen["MCT (paper)"] + SIZES["noisy"]
