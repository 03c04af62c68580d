"""Draw how the learning rate of each training goes, and write its numbers as a table."""

from pathlib import Path

from mct.calibration.plan import plan_any
from mct.results.plotting import save_figure
from mct.results.schedule_figure import draw_schedules
from mct.results.schedules import schedule_rows
from mct.results.tables import write_table
from mct.stage import entry

CAPTION = """As planned: `warm-up` counts the updates in warm-ups, `final rate` is the last update's.
`learning_rate` of the configuration is scaled where `optimizer.rate_scaling` says so."""


def main() -> None:
    arguments = entry.options(
        __doc__, settings=entry.json_value, sizes=entry.json_value, table=Path, figure=Path
    )
    plans = {name: plan_any(each, arguments.sizes) for name, each in arguments.settings.items()}
    write_table(schedule_rows(plans), arguments.table, CAPTION)
    save_figure(draw_schedules(plans), arguments.figure)


if __name__ == "__main__":
    entry.run(main)
