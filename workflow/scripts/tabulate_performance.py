"""Write the table, the figure and the sidecar of prefetch, communication or the rehearsal."""

from dataclasses import fields
from pathlib import Path

from mct.base.files import read_json, write_json
from mct.performance import scaling
from mct.performance.figures import DRAWINGS
from mct.results.plotting import save_figure
from mct.results.tables import Row, read_rows, write_table
from mct.stage import entry


def main() -> None:
    arguments = entry.options(
        __doc__, kind=str, config=Path, measurements=list, published=Path, output=Path
    )
    config = entry.read_keys(arguments.config)
    found = [read_json(path, "ranks", "hardware") for path in arguments.measurements]
    measured = {part["ranks"]: part for part in found}
    rows = table_rows(arguments.kind, measured, config["scaling"], arguments.published)
    write_table(rows, arguments.output, scaling.caption(arguments.kind, found, config["scaling"]))
    write_json(
        arguments.output.with_suffix(".json"), {"configuration": config, "measurements": found}
    )
    figure = arguments.output.parents[1] / "figures" / f"{arguments.kind}.png"
    save_figure(DRAWINGS[arguments.kind](rows), figure)


def table_rows(
    kind: str, measured: scaling.Measurements, settings: dict, published: Path
) -> list[Row]:
    """Return the rows of a table."""
    if kind == "prefetch":
        return scaling.prefetch_rows(measured)
    if kind == "communication":
        return scaling.communication_rows(measured)
    task = scaling.Task(**{field.name: settings[field.name] for field in fields(scaling.Task)})
    others = read_rows(published)
    return scaling.rehearsal_rows(measured, task, settings["projected_ranks"], others)


if __name__ == "__main__":
    entry.run(main)
