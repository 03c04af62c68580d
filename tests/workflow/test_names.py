"""Names in a data set are text, whatever Snakemake, a shell or a page would make of their letters."""

import csv

import yaml
from projects import Run
from trees import write_table

NAMES = ["$HOME", "it's {dataset}|{x}", '<b> "q" {{y}}']


def test_any_name_of_a_class_goes_through_the_rules(snakemake: Run, tmp_path):
    """Braces in a path and in names are no wildcards, in what is read from files and in settings."""
    root = write_table(tmp_path / "data {dataset}", named=False)
    with (root / "table.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    for row in rows[1:]:
        row[1:3] = [text and NAMES[int(text)] for text in row[1:3]]
    with (root / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    config = {
        "results": str(tmp_path / "results"),
        "experiment": "names",
        "dataset": {"name": "odd", "layout": "table", "root": str(root), "noise_rate": 0.3},
        "images": {"size": 16, "mean": [0.5] * 3, "std": [0.25] * 3},
        "shards": {"count": 1},
        "methods": ["mct"],
    }
    (tmp_path / "names.yaml").write_text(yaml.safe_dump(config, allow_unicode=True))
    catalogue = tmp_path / "results/names/catalogue"
    targets = [catalogue / "odd.tsv", catalogue / "odd.classes.txt"]
    run = snakemake("--cores", 2, *targets, "--configfile", tmp_path / "names.yaml")
    assert run.returncode == 0, run.stdout + run.stderr
    assert (catalogue / "odd.classes.txt").read_text().splitlines() == sorted(NAMES)
    assert len((catalogue / "odd.tsv").read_text().splitlines()) == 13
