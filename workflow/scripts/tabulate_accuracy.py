"""Write the accuracy table (TSV, Markdown) and the sidecar that says what made it."""

from pathlib import Path

from mct.base.files import write_json
from mct.results import accuracy, tables
from mct.results.tables import read_results
from mct.stage import entry

CAPTION = """Measured on the named split after the last epoch: percent, mean and sample standard
deviation over n seeds. `minus_mct` is the mean of the differences to method `mct` seed by seed, in
points, with its 95 % interval (Student's t). `balanced_percent` is the mean recall of the classes,
`macro_f1_percent` their mean F1; both weigh a rare class like a common one. `Ma and Mp` is the
mean of both models' predictions, at twice the cost of one. `samples_seen_by_model` is
what the model of the row was trained on, `samples_of_method` what all models of the method learned
from, including those that it needs first;
predictions (a teacher's extra passes, CleanNet's features) are not counted. `ranks` are a run's: with
`baselines.ranks: half` a baseline has half as many as calibration. `note` names trainings that did
not change the model, and classes of which a model selected next to nothing in its last epoch (by number,
from 0 in the list of classes). Published figures are from the named source, with its model and recipe; they
were not measured here. `weights` are what its model starts from, `epoch` is the one that it reports:
ours is the last, while a best one is often chosen on the reported split. `unknown` is what could not
be checked at the source."""


def main() -> None:
    arguments = entry.options(
        __doc__, settings=entry.json_value, config=Path, evaluations=list, records=list,
        published=Path, output=Path,
    )  # fmt: skip
    settings = arguments.settings
    evaluations = read_results(arguments.evaluations)
    records = read_results(arguments.records)
    published = accuracy.read_published(arguments.published, settings["dataset"])
    methods = {name: accuracy.Method(**facts) for name, facts in settings["methods"].items()}
    rows = accuracy.accuracy_rows(evaluations, records, methods, published)
    tables.write_table(
        rows, arguments.output, tables.name_clean_set(CAPTION, settings["clean_set"])
    )
    runs = dict(zip(map(str, arguments.records), records.values(), strict=True))
    made_by = {"configuration": entry.read_keys(arguments.config), "runs": runs}
    write_json(arguments.output.with_suffix(".json"), made_by)


if __name__ == "__main__":
    entry.run(main)
