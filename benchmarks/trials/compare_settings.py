"""Accuracy of settings next to one another, seed by seed, in as few runs of the workflow as they need.

    python -m benchmarks.trials.compare_settings benchmarks/trials/mct.yaml

reads a file of `configfile`, `config` (of all trials) and `trials`: names with what each changes in the
configuration. Differences are to the first trial, or within each trial to its method `reference`, or to
each method of a list of them; their interval has `interval` percent (95); a `note` is added to the
caption, with `mean_over_trials` the mean difference over them too. The means of the `record` keys, a
list, are columns too. `starved` are the classes that the last epoch of a calibration selected next to
nothing of, for Ma+Mp, by seed. Members of an ensemble have rows. Trials that differ in keys that a
variant may have (docs/methods.md) are variants in one experiment, which shares all that they do not
change; for other keys a trial begins another run in the same folder of results. The results lie next to
the file, as .tsv and .md, with commit and machine of each row's runs; trials of that .tsv are not run
again. A trial that the file has with more seeds by now runs those alone, and its row has both.
"""

import argparse
import csv
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from statistics import mean
from typing import Any, NoReturn

import yaml

from benchmarks.shared.conditions import command, commit
from mct.base.errors import UserError
from mct.base.roles import ROLES
from mct.base.yaml_files import read_yaml
from mct.experiment.configuration import resolve
from mct.experiment.methods import METHODS, rows_of
from mct.experiment.variants import SECTIONS, merge
from mct.results.accuracy import paired_difference, spread
from mct.results.tables import Row, Run, read_results, write_table

CAPTION = """Measured: top-1 % of the deployed model after the last epoch, on the {split} split, mean and
sample standard deviation over seeds; differences to {reference}, seed by seed, in points, with their
{interval:g} % interval (Student's t). {note}`{command}`"""
FIRST = "the first trial (to its method of that name, else to its first)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trials", type=Path)
    parser.add_argument("--config", nargs="+", default=[], help="more of the configuration")
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    study = read_trials(options.trials)
    table = options.trials.with_suffix(".tsv")
    rows = read_rows(table)
    if rows:  # its note may have changed
        write_rows(rows, study, table)
    done = {row["trial"]: {int(seed) for seed in row["seeds"].split()} for row in rows}
    for experiment in arrange(study, done, dict(map(read_item, options.config))):
        run_workflow(study["configfile"], experiment.config, options.cores)
        for trial, names in experiment.trials.items():
            found = measured(experiment.config, names, study.get("record", []))
            for row in found:
                join(rows, {"trial": trial, **row}, study.get("record", []))
        rows.sort(key=lambda row: place_of(row["trial"], study))
        write_rows(rows, study, table)


@dataclass(frozen=True)
class Experiment:
    """A run of the workflow: its configuration, also resolved, and the trials in it.

    Each has its methods, with the name that the method's results have.
    """

    config: dict[str, Any]
    resolved: dict[str, Any]
    trials: dict[str, dict[str, str]]

    def with_variants(
        self, place: int, trial: str, config: dict[str, Any], below: dict[str, Any]
    ) -> "Experiment | None":
        """Return the experiment with variants for a further trial, None where these cannot say it."""
        whole = complete(below, config)
        changed = {key for key in whole if whole[key] != self.resolved[key]} - {"methods"}
        if not changed <= {*SECTIONS}:
            return None
        names = {method: f"{method}_trial{place}" for method in config["methods"]}
        sections = {key: whole[key] for key in changed}
        variants = {
            name: {"of": method, "title": f"{METHODS[method].title}, {trial}", **sections}
            for method, name in names.items()
        }
        both = merge(self.config, {"variants": variants})
        try:
            resolved = resolve(merge(below, both))
        except UserError:
            return None
        found = [resolved["variants"][name] for name in names.values()]
        if any(each[key] != whole[key] for each in found for key in changed):
            return None
        return Experiment(both, self.resolved, {**self.trials, trial: names})


def arrange(
    study: dict[str, Any], done: Mapping[str, Set[int]], more: dict[str, Any]
) -> list[Experiment]:
    """Return the runs for all trials but the seeds that are `done`; `more` is for each configuration."""
    below = read_below(study["configfile"])
    experiments: list[Experiment] = []
    for place, (trial, changes) in enumerate(study["trials"].items()):
        config = merge(merge(study["config"], changes or {}), more)
        seeds = complete(below, config)["seeds"]
        config["seeds"] = [seed for seed in seeds if seed not in done.get(trial, ())]
        if not config["seeds"]:
            continue
        for number, each in enumerate(experiments):
            if found := each.with_variants(place, trial, config, below):
                experiments[number] = found
                break
        else:
            resolved = complete(below, config)
            names = {row: row for row in rows_of(resolved)}
            experiments.append(Experiment(config, resolved, {trial: names}))
    return experiments


def complete(below: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """Return a whole configuration, or end with the line that refuses it."""
    try:
        return resolve(merge(below, config))
    except UserError as error:
        end(str(error))


def read_below(configfile: str) -> dict[str, Any]:
    """Return what Snakemake reads below the configuration of a trial."""
    files = [path for path in (Path("config/config.yaml"), Path(configfile)) if path.is_file()]
    return reduce(merge, (read_yaml(path) or {} for path in files), {})


def place_of(trial: str, study: dict[str, Any]) -> int:
    """Return the place of a trial in the file; before all, where it is no longer there."""
    return [*study["trials"]].index(trial) if trial in study["trials"] else -1


def read_trials(path: Path) -> dict[str, Any]:
    """Return a file of trials, or end with one line and code 2."""
    try:
        study = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        end(f"{path}: no file of trials: {' '.join(str(error).split())}")
    check_keys(path, study, {"configfile", "config", "trials"})
    for section in ("config", "trials"):
        if not isinstance(study[section], dict):
            end(f"{path}: {section}: expected keys and values, got {study[section]!r}")
    needed = {"experiment", "methods", "ranks", "seeds", "split"}
    for name, changes in study["trials"].items():
        own = changes if isinstance(changes, dict) else {}
        check_keys(f"{path}: config (or trial {name})", {**study["config"], **own}, needed)
    return {**study, "trials": {str(name): changes for name, changes in study["trials"].items()}}


def check_keys(where: Path | str, section: object, keys: set[str]) -> None:
    """End with one line and code 2 where a section lacks keys."""
    missing = keys - set(section if isinstance(section, dict) else ())
    if missing:
        end(f"{where}: lacks {', '.join(sorted(missing))}")


def end(message: str) -> NoReturn:
    """End with one line and the exit code of users' mistakes."""
    print(message, file=sys.stderr)
    raise SystemExit(2)


def read_item(item: str) -> tuple[str, Any]:
    """Return key and value of `key=value`, the value being YAML."""
    key, _, value = item.partition("=")
    return key, yaml.safe_load(value)


def run_workflow(configfile: str, config: dict[str, Any], cores: int) -> None:
    """Run the workflow, or end with its exit code."""
    items = [f"{key}={json.dumps(value)}" for key, value in config.items()]
    arguments = ["snakemake", "all", "--cores", str(cores), "--quiet", "progress"]
    arguments += ["--rerun-incomplete"]  # of a study that was interrupted
    arguments += ["--show-failed-logs", "--configfile", configfile, "--config", *items]
    done = subprocess.run(arguments, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def measured(config: dict[str, Any], names: dict[str, str], keys: Sequence[str]) -> list[Row]:
    """Return the rows of a trial, by method and number of ranks, without differences.

    `names` are the names of its methods in the results; `keys` are columns with means of the records.
    """
    folder = Path(config.get("results", "results")) / config["experiment"]
    dataset = yaml.safe_load((folder / "config.yaml").read_text())["dataset"]["name"]
    runs = read_results(folder.glob(f"evaluation/{dataset}/{config['split']}/*/*/primary.json"))
    seeds, rows = config["seeds"], []
    for method, name in names.items():
        for ranks in config["ranks"]:
            paths = [record_of(folder / f"models/{dataset}", name, seed, ranks) for seed in seeds]
            records = [json.loads(path.read_text()) for path in paths]
            evaluations = {s: runs[Run(name, s, ranks, "primary")] for s in seeds}
            values = {str(seed): 100 * each["top1"] for seed, each in evaluations.items()}
            row = make_row(method, str(ranks), values)
            own = records if paths[0].parts[-3] == name else []  # an ensemble has none
            means = {key: f"{mean(each[key] for each in own):g}" if own else "" for key in keys}
            more = {**means, "starved": starved(own), "made_by": made_by(records[0])}
            rows.append({**row, **more})
    return rows


def record_of(models: Path, name: str, seed: int, ranks: int) -> Path:
    """Return the record of a training, or for an ensemble, of any other of its seed."""
    run = f"seed{seed}_ranks{ranks}/record.json"
    return next(iter([*models.glob(f"{name}/{run}"), *sorted(models.glob(f"*/{run}"))]))


def starved(records: list[dict[str, Any]]) -> str:
    """Return how many classes the last epoch of each seed's calibration starved for Ma and for Mp."""
    counts = [record["starved_classes"] for record in records if "starved_classes" in record]
    return " ".join("+".join(str(len(each[role])) for role in ROLES) for each in counts)


def made_by(record: dict[str, Any]) -> str:
    """Return the commit of this project, and what a training ran on."""
    hardware = record["hardware"]
    machine = hardware["gpu"] or f"{hardware['processor']} ({hardware['cores']} cores)"
    return ", ".join(filter(None, (commit(), machine, f"torch {record['versions']['torch']}")))


def make_row(method: str, ranks: str, values: dict[str, float]) -> Row:
    """Return a row from top-1 % by seed."""
    return {
        "method": method, "ranks": ranks,
        "top1_percent": f"{mean(values.values()):.2f}", "top1_sd": spread([*values.values()]),
        "seeds": " ".join(values),
        "each_seed": " ".join(f"{value:.2f}" for value in values.values()),
    }  # fmt: skip


def join(rows: list[Row], row: Row, keys: Sequence[str]) -> None:
    """Add a row, or its seeds to the row that its trial, method and ranks have already."""
    for place, earlier in enumerate(rows):
        if all(earlier[key] == row[key] for key in ("trial", "method", "ranks")):
            rows[place] = joined(earlier, row, keys)
            return
    rows.append(row)


def joined(earlier: Row, row: Row, keys: Sequence[str]) -> Row:
    """Return a row with the seeds of both; columns `keys` are means over seeds."""
    both = {**row, **make_row(row["method"], row["ranks"], {**by_seed(earlier), **by_seed(row)})}
    for key in keys:
        sums = [float(each[key]) * len(by_seed(each)) for each in (earlier, row) if each.get(key)]
        both[key] = f"{sum(sums) / len(by_seed(both)):g}" if len(sums) == 2 else ""
    both["starved"] = " ".join(filter(None, (earlier["starved"], row["starved"])))
    both["made_by"] = "; ".join(dict.fromkeys((earlier["made_by"], row["made_by"])))
    return both


def write_rows(rows: list[Row], study: dict[str, Any], table: Path) -> None:
    """Write the rows with their differences, as a table and as text."""
    percent, given = study.get("interval", 95), study.get("reference")
    method, *others = given if isinstance(given, list) else [given]
    caption = CAPTION.format(
        split=study["config"]["split"], interval=percent, command=command(),
        reference=f"`{method}` in the same trial{also(others)}" if method else FIRST,
        note=f"{study['note']} " if "note" in study else "",
    )  # fmt: skip
    compared = [
        {
            **row,
            **difference(row, reference_of(row, rows, method), percent),
            **{
                f"{part}_to_{other}": text
                for other in others
                for part, text in difference(row, reference_of(row, rows, other), percent).items()
            },
        }
        for row in rows
    ]
    if study.get("mean_over_trials"):
        caption += means_over_trials(compared, percent)
    write_table(compared, table, " ".join(caption.split()))


def means_over_trials(rows: list[Row], percent: float) -> str:
    """Return each method's mean difference over trials, with its interval between trials."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row["difference"]:
            found.setdefault(row["method"], []).append(float(row["difference"]))
    texts = {key: [f"{x:+.2f}" for x in paired_difference(v, percent)] for key, v in found.items()}
    return "".join(
        f" Mean of the differences of `{method}` over {len(found[method])} trials: {mid} ({low} to {high})."
        for method, (mid, low, high) in texts.items()
    )


def also(methods: Sequence[str]) -> str:
    """Return that further columns are differences to other methods, nothing without any."""
    return f", and in further columns to {', '.join(methods)}" if methods else ""


def reference_of(row: Row, rows: list[Row], method: str | None) -> Row:
    """Return the row that a row is compared with: of a method in its trial, else of the first trial."""
    trial = row["trial"] if method else rows[0]["trial"]
    others = [other for other in rows if other["trial"] == trial]
    return next(
        (other for other in others if other["method"] == (method or row["method"])), others[0]
    )


def difference(row: Row, reference: Row, percent: float) -> Row:
    """Return the mean of the differences to a reference seed by seed, and its interval."""
    own, others = by_seed(row), by_seed(reference)
    differences = [own[seed] - others[seed] for seed in own if seed in others]
    texts = (
        [] if row is reference else [f"{x:+.2f}" for x in paired_difference(differences, percent)]
    )
    return dict(zip(("difference", "low", "high"), [*texts, "", "", ""], strict=False))


def by_seed(row: Row) -> dict[str, float]:
    """Return top-1 % by seed."""
    return dict(zip(row["seeds"].split(), map(float, row["each_seed"].split()), strict=True))


def read_rows(table: Path) -> list[Row]:
    """Return the rows that an earlier run left."""
    if not table.exists():
        return []
    with table.open(newline="") as file:
        return [
            {**row, "starved": row.get("starved") or "", "made_by": row.get("made_by") or ""}
            for row in csv.DictReader(file, delimiter="\t")
        ]


if __name__ == "__main__":
    main()
