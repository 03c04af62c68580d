"""Write the table, the figure and the sidecar of prefetch, communication or scaling."""

from pathlib import Path

import yaml

from mct.base.files import read_json, write_json
from mct.results import scaling_tables
from mct.results.figures import save_figure
from mct.results.performance_figures import DRAWINGS
from mct.results.scaling import Task
from mct.results.tables import Row, write_table
from mct.stage import entry

MEASURED = "Measured on {processor}, {cores} cores in all, {precision}; medians, lowest, highest. "
CAPTIONS = {
    "prefetch": "Exposed: what a step waits for its batch; hidden: what it waits less than without prefetch.",
    "communication": """`model_seconds` is a ring of messages with one latency and one bandwidth,
fitted to the rows that were measured with no more ranks than cores.""",
    "scaling": """Weak: a rank keeps its batch, and steps get fewer; strong: the global batch stays.
Projected: the step of the fewest measured ranks, with the messages of more ranks over links like those
measured here, nothing hidden. Published: times of the named source on its machine; their efficiency was
computed from them here. Efficiency is against the fewest ranks of the same scaling and system, where it
has several rows. Steps are those of a calibrated pair on random pictures, reading not included.""",
}


def main() -> None:
    arguments = entry.options(
        __doc__, kind=str, config=Path, measurements=list, published=Path, output=Path
    )
    config = yaml.safe_load(arguments.config.read_text())
    found = [read_json(path, "ranks", "hardware") for path in arguments.measurements]
    measured = {part["ranks"]: part for part in found}
    rows = table_rows(arguments.kind, measured, config["scaling"], arguments.published)
    hardware = {**found[0]["hardware"], "cores": found[0]["cores"]}
    caption = MEASURED.format(**hardware) + CAPTIONS[arguments.kind]
    write_table(rows, arguments.output, caption)
    write_json(
        arguments.output.with_suffix(".json"), {"configuration": config, "measurements": found}
    )
    figure = arguments.output.parents[1] / "figures" / f"{arguments.kind}.png"
    save_figure(DRAWINGS[arguments.kind](rows), figure)


def table_rows(
    kind: str, measured: scaling_tables.Measurements, settings: dict, published: Path
) -> list[Row]:
    """Return the rows of a table."""
    if kind == "prefetch":
        return scaling_tables.prefetch_rows(measured)
    if kind == "communication":
        return scaling_tables.communication_rows(measured)
    task = Task(
        pictures=settings["pictures"],
        epochs=settings["epochs"],
        samples_per_rank=settings["samples_per_rank"],
    )
    others = scaling_tables.read_published_scaling(published)
    return scaling_tables.scaling_rows(measured, task, settings["projected_ranks"], others)


if __name__ == "__main__":
    entry.run(main)
