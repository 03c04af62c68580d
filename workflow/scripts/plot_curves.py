"""Draw validation accuracy while the deployed model of each method was trained."""

from pathlib import Path

from mct.base.roles import Role
from mct.results import curves
from mct.results.figures import read_epochs
from mct.results.plotting import save_figure
from mct.results.tables import parse_run
from mct.stage import entry


def main() -> None:
    arguments = entry.options(
        __doc__, settings=entry.json_value, rows=entry.json_value, epochs=list, output=Path
    )
    tables = {(run.method, run.seed, run.ranks): read_epochs(path)
              for path in arguments.epochs for run in [parse_run(path)]}  # fmt: skip
    runs = dict.fromkeys((seed, ranks) for _, seed, ranks in tables)
    lines = {}
    for name in arguments.rows:
        facts = arguments.settings["methods"][name]
        trainings = facts["lineages"][Role.PRIMARY]
        if name not in trainings:  # an ensemble has no curve of its own
            continue
        lines[facts["title"]] = [
            curves.join([tables[training, *run] for training in trainings]) for run in runs
        ]
    save_figure(curves.draw_curves(lines), arguments.output)


if __name__ == "__main__":
    entry.run(main)
