"""Write the recall of each class by each method's deployed model."""

from pathlib import Path

from mct.base.texts import read_names
from mct.results.imbalance import recall_rows
from mct.results.tables import read_results, write_table
from mct.stage import entry

CAPTION = """Measured on the {split} split: percent of a class's pictures that the deployed model
recognised, means over {n} runs. Which class is taken for which: figures/confusion.png."""


def main() -> None:
    arguments = entry.options(
        __doc__, titles=entry.json_value, evaluations=list, classes=Path, output=Path
    )
    evaluations = read_results(arguments.evaluations)
    rows = recall_rows(evaluations, arguments.titles, read_names(arguments.classes))
    splits = {one["split"] for one in evaluations.values()}
    runs = {(run.seed, run.ranks) for run in evaluations}
    write_table(rows, arguments.output, CAPTION.format(split=", ".join(splits), n=len(runs)))


if __name__ == "__main__":
    entry.run(main)
